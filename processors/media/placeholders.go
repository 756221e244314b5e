package media

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/processors/known"
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
	table    known.Table[placeholder]
	threads  []string
	numberOf map[string]uint32 // of a thread

	told      int // placeholders that TakeState gave, the restored ones among them
	restored  int // placeholders that came from pages of an earlier life
	pagesBase int // number of the first page of this life
}

type placeholder struct {
	timestamp int64
	thread    uint32
	direction uint8
	group     bool
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
	b := p.bucket(start)
	if v, fresh := b.table.Obtain(key); fresh {
		*v = b.pack(ph)
	}
}

// find prefers what was seen last.
func (p *placeholders) find(key schemas.Hash) (Placeholder, bool) {
	for i := len(p.buckets) - 1; i >= 0; i-- {
		if v := p.buckets[i].table.Find(key); v != nil {
			return p.buckets[i].unpack(v), true
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
		n += b.table.Len()
	}
	return n
}

func (p *placeholders) memory() (n int) {
	const bucketBytes, stringBytes = 256, 16
	for _, b := range p.buckets {
		n += bucketBytes + b.table.Bytes() + cap(b.threads)*stringBytes
		for _, t := range b.threads {
			n += len(t) + (stringBytes+4)*3/2 // the map's share
		}
	}
	return n
}

func (b *bucket) over(cfg *Config) time.Time {
	return b.start.Add(bucketLength(cfg) + cfg.Remember)
}

func (b *bucket) pack(ph Placeholder) placeholder {
	number, ok := b.numberOf[ph.Thread]
	if !ok {
		number = uint32(len(b.threads))
		b.threads = append(b.threads, ph.Thread)
		b.numberOf[ph.Thread] = number
	}
	return placeholder{timestamp: ph.Timestamp, thread: number, direction: directionCode(ph.Direction), group: ph.Group}
}

func (b *bucket) unpack(v *placeholder) Placeholder {
	return Placeholder{Thread: b.threads[v.thread], Group: v.group, Timestamp: v.timestamp, Direction: directions[v.direction]}
}

var directions = [...]string{schemas.DirectionUnknown, schemas.DirectionInbound, schemas.DirectionOutbound}

func directionCode(direction string) uint8 {
	return uint8(max(slices.Index(directions[:], direction), 0))
}
