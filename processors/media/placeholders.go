package media

import (
	"math"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// placeholders remembers placeholders by their wamid, in buckets by the time at which they were seen. A
// bucket is forgotten as a whole.
type placeholders struct {
	buckets []*bucket // in the order of their starts
	gone    []page    // pages of forgotten buckets, to be told as tombstones
}

// bucket is the placeholders of one stretch of time. Its state records are pages of so many placeholders,
// in the order in which they came; the last one is written again until it is full.
type bucket struct {
	start    time.Time
	table    table
	threads  []string
	numberOf map[string]uint32      // of a thread
	rare     map[uint64]Placeholder // those that a cell does not hold, by its key

	told      int // placeholders that TakeState gave, the restored ones among them
	restored  int // placeholders that came from pages of an earlier life
	pagesBase int // number of the first page of this life
}

// bucketsInMemory cuts Remember; the last placeholder of a bucket is remembered for Remember, the first for
// a sixteenth more.
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
	b := &bucket{start: start, numberOf: make(map[string]uint32)}
	p.buckets = slices.Insert(p.buckets, i, b)
	return b
}

func (p *placeholders) add(start time.Time, key schemas.Hash, ph Placeholder) {
	p.bucket(start).add(key.Hi, ph)
}

// find prefers what was seen last.
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
		n += b.table.n
	}
	return n
}

func (p *placeholders) memory() (n int) {
	const bucketBytes, stringBytes, rareBytes = 256, 16, 64
	for _, b := range p.buckets {
		n += bucketBytes + b.table.bytes() + cap(b.threads)*stringBytes + len(b.rare)*2*rareBytes
		for _, t := range b.threads {
			n += len(t) + (stringBytes+4)*3/2 // the map's share
		}
	}
	return n
}

func (b *bucket) over(cfg *Config) time.Time {
	return b.start.Add(bucketLength(cfg) + cfg.Remember)
}

// Codes of a cell's direction, in its two lowest bits.
const (
	directionBits = 2
	isRare        = 1<<directionBits - 1 // the placeholder stands in rare
	threadsMax    = 1 << (32 - directionBits)
)

func (b *bucket) add(key uint64, ph Placeholder) {
	if b.table.find(key) >= 0 {
		return
	}
	if ph.Timestamp < 0 || ph.Timestamp > math.MaxUint32 || len(b.threads) == threadsMax {
		if b.rare == nil {
			b.rare = make(map[uint64]Placeholder)
		}
		b.rare[key] = ph
		b.table.add(cell{key: key, rest: isRare})
		return
	}
	b.table.add(cell{key: key, timestamp: uint32(ph.Timestamp), rest: b.number(ph.Thread)<<directionBits | directionCode(ph.Direction)})
}

// number is that of a thread.
func (b *bucket) number(thread string) uint32 {
	number, ok := b.numberOf[thread]
	if !ok {
		number = uint32(len(b.threads))
		b.threads = append(b.threads, thread)
		b.numberOf[thread] = number
	}
	return number
}

func (b *bucket) unpack(c *cell) Placeholder {
	if c.rest&isRare == isRare {
		return b.rare[c.key]
	}
	return Placeholder{Thread: b.threads[c.rest>>directionBits], Timestamp: int64(c.timestamp), Direction: directions[c.rest&isRare]}
}

var directions = [...]string{schemas.DirectionUnknown, schemas.DirectionInbound, schemas.DirectionOutbound}

func directionCode(direction string) uint32 {
	return uint32(max(slices.Index(directions[:], direction), 0))
}
