package media

import (
	"math"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// placeholders contains placeholders by their wamid, in buckets by their time of receipt. Buckets are forgotten as a
// whole.
type placeholders struct {
	buckets []*bucket // in the order of their starts
	gone    []page    // pages of forgotten buckets, which TakeState writes as tombstones
}

// bucket contains the placeholders of one period. Its state records are pages of pageEntries placeholders, in the order
// of arrival. The last page is written again until it is full.
type bucket struct {
	start   time.Time
	table   table
	threads threads
	rare    map[uint64]Placeholder // by their key, those that do not fit into a cell

	told      int // placeholders that TakeState returned, with the restored ones
	restored  int // placeholders from pages of an earlier process
	pagesBase int // number of the first page of this process
}

// bucketsInMemory divides Remember. The last placeholder of a bucket is remembered for Remember, the first for a
// sixteenth more.
const bucketsInMemory = 16

func bucketLength(cfg *Config) time.Duration {
	return max(cfg.Remember/bucketsInMemory, time.Second).Truncate(time.Millisecond)
}

func bucketStart(cfg *Config, now time.Time) time.Time { return now.UTC().Truncate(bucketLength(cfg)) }

func (p *placeholders) bucket(start time.Time) *bucket {
	i := len(p.buckets)
	for i > 0 && p.buckets[i-1].start.After(start) {
		i--
	}
	if i > 0 && p.buckets[i-1].start.Equal(start) {
		return p.buckets[i-1]
	}
	b := &bucket{start: start}
	p.buckets = slices.Insert(p.buckets, i, b)
	return b
}

func (p *placeholders) add(start time.Time, key schemas.Hash, ph Placeholder) {
	p.bucket(start).add(key.Hi, ph)
}

// find prefers the placeholder that was seen last.
func (p *placeholders) find(key schemas.Hash) (Placeholder, bool) {
	for i := len(p.buckets) - 1; i >= 0; i-- {
		if k := p.buckets[i].table.find(key.Hi); k >= 0 {
			return p.buckets[i].unpack(p.buckets[i].table.at(k)), true
		}
	}
	return Placeholder{}, false
}

func (p *placeholders) expire(cfg *Config, now time.Time) {
	p.buckets = slices.DeleteFunc(p.buckets, func(b *bucket) bool {
		if now.Before(b.over(cfg)) {
			return false
		}
		for n := range b.pages() {
			p.gone = append(p.gone, page{b.start, n})
		}
		return true
	})
}

func (p *placeholders) deadline(cfg *Config) time.Time {
	if len(p.buckets) == 0 {
		return time.Time{}
	}
	return p.buckets[0].over(cfg)
}

func (p *placeholders) len() (n int) {
	for _, b := range p.buckets {
		n += b.table.len()
	}
	return n
}

func (p *placeholders) memory() (n int) {
	const bucketBytes, rareBytes = 256, 128
	for _, b := range p.buckets {
		n += bucketBytes + b.table.bytes() + b.threads.bytes() + len(b.rare)*rareBytes
	}
	return n
}

func (b *bucket) over(cfg *Config) time.Time {
	return b.start.Add(bucketLength(cfg) + cfg.Remember)
}

// The lowest bits of cell.rest.
const (
	directionMask = 1<<2 - 1      // the direction, or
	isRare        = directionMask // the placeholder is in rare
	groupBit      = 1 << 2
	threadShift   = 3

	threadsMax   = 1 << (32 - threadShift)
	textBytesMax = math.MaxUint32 - 1<<16
)

func (b *bucket) add(key uint64, ph Placeholder) {
	if b.table.find(key) >= 0 {
		return
	}
	if ph.Timestamp < 0 || ph.Timestamp > math.MaxUint32 || b.threads.len() == threadsMax || len(b.threads.text) > textBytesMax || len(ph.Thread) > 1<<16 {
		if b.rare == nil {
			b.rare = make(map[uint64]Placeholder)
		}
		b.rare[key] = ph
		b.table.add(cell{key: key, rest: isRare})
		return
	}
	rest := b.threads.number(ph.Thread)<<threadShift | directionCode(ph.Direction)
	if ph.Group {
		rest |= groupBit
	}
	b.table.add(cell{key: key, timestamp: uint32(ph.Timestamp), rest: rest})
}

func (b *bucket) unpack(c *cell) Placeholder {
	if c.rest&directionMask == isRare {
		return b.rare[c.key]
	}
	return Placeholder{
		Thread: string(b.threads.name(c.rest >> threadShift)), Group: c.rest&groupBit != 0,
		Timestamp: int64(c.timestamp), Direction: directions[c.rest&directionMask],
	}
}

// fields unpacks a cell for a page: the thread as a view of its place, and the direction and the group in a byte.
func (b *bucket) fields(c *cell) (thread []byte, timestamp int64, marks byte) {
	group, direction := c.rest&groupBit != 0, c.rest&directionMask
	if direction == isRare {
		ph := b.rare[c.key]
		thread, timestamp, group, direction = []byte(ph.Thread), ph.Timestamp, ph.Group, directionCode(ph.Direction)
	} else {
		thread, timestamp = b.threads.name(c.rest>>threadShift), int64(c.timestamp)
	}
	if group {
		return thread, timestamp, byte(direction) | groupThread
	}
	return thread, timestamp, byte(direction)
}

var directions = [...]string{schemas.DirectionUnknown, schemas.DirectionInbound, schemas.DirectionOutbound}

func directionCode(direction string) uint32 {
	return uint32(max(slices.Index(directions[:], direction), 0))
}
