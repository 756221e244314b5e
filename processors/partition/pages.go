package partition

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// pages writes the contents of Recent to the `state` topic, by bucket: r|<Unix milliseconds>|<page>. Each
// transaction writes the last page again, longer, until it is full. So a restore reads few records, and a
// transaction writes at most one page.
type pages struct {
	bucket time.Time
	number uint32
	page   []byte
	dirty  bool
	last   map[int64]uint32 // highest page number of each bucket
}

const pageBytesMax = 400 * dedup.EntryBytes

// raise adds h to Recent and to the page, and reports whether an event of this rank leaves.
func (p *Partition) raise(at time.Time, h schemas.Hash, r schemas.Rank) bool {
	was, seen := p.recent.Raise(at, h, r)
	if seen && r <= was {
		return false
	}
	pg := &p.pages
	if bucket := p.recent.Bucket(at); !bucket.Equal(pg.bucket) {
		pg.flush(p)
		pg.open(bucket)
	}
	pg.page = dedup.AppendEntry(pg.page, h, r)
	pg.dirty = true
	if len(pg.page) >= pageBytesMax {
		pg.flush(p)
		pg.number++
		pg.page = pg.page[:0]
	}
	return true
}

// open starts a new page of a bucket, after its existing ones.
func (pg *pages) open(bucket time.Time) {
	pg.bucket, pg.page, pg.number = bucket, pg.page[:0], 0
	if last, ok := pg.last[bucket.UnixMilli()]; ok {
		pg.number = last + 1
	}
}

func (pg *pages) key(p *Partition, bucket int64, number uint32) []byte {
	key := append(p.arena.room(len(stateRecent)+32), stateRecent...)
	key = append(strconv.AppendInt(key, bucket, 10), '|')
	return p.arena.done(strconv.AppendUint(key, uint64(number), 10))
}

// flush writes the last page, if it grew.
func (pg *pages) flush(p *Partition) {
	if !pg.dirty {
		return
	}
	pg.dirty = false
	bucket := pg.bucket.UnixMilli()
	if pg.last == nil {
		pg.last = map[int64]uint32{}
	}
	pg.last[bucket] = pg.number
	value := p.arena.done(append(p.arena.room(len(pg.page)), pg.page...))
	p.state(pg.key(p, bucket, pg.number), value)
}

// expire removes buckets that are older than the window, and their pages.
func (pg *pages) expire(p *Partition, now time.Time) {
	for _, start := range p.recent.Expired(now) {
		bucket := start.UnixMilli()
		if last, ok := pg.last[bucket]; ok {
			for number := range last + 1 {
				p.state(pg.key(p, bucket, number), nil)
			}
			delete(pg.last, bucket)
		}
		if start.Equal(pg.bucket) {
			pg.bucket, pg.page, pg.dirty = time.Time{}, pg.page[:0], false
		}
	}
	p.recent.Expire(now)
}

// restore restores a page.
func (pg *pages) restore(p *Partition, rest string, value []byte) error {
	b, n, ok := strings.Cut(rest, "|")
	bucket, err := strconv.ParseInt(b, 10, 64)
	number, err2 := strconv.ParseUint(n, 10, 32)
	if !ok || err != nil || err2 != nil {
		return fmt.Errorf("page of known messages: key %q is not bucket|page", rest)
	}
	if pg.last == nil {
		pg.last = map[int64]uint32{}
	}
	pg.last[bucket] = max(pg.last[bucket], uint32(number))
	return p.recent.Load(time.UnixMilli(bucket), value)
}
