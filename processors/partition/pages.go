package partition

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// pages writes what Recent remembers to the `state` topic, by bucket: r|<Unix milliseconds>|<page>. The
// page under way is written again, longer, with every transaction until it is full; so a restore reads few
// records, and a transaction writes at most one page.
type pages struct {
	bucket time.Time
	number uint32
	page   []byte
	dirty  bool
	last   map[int64]uint32 // highest page number of each bucket
}

const pageBytesMax = 400 * dedup.EntryBytes

// raise remembers h in Recent and on the page, and tells whether an event of this rank leaves.
func (t *Partition) raise(at time.Time, h schemas.Hash, r schemas.Rank) bool {
	was, seen := t.recent.Raise(at, h, r)
	if seen && r <= was {
		return false
	}
	p := &t.pages
	if bucket := t.recent.Bucket(at); !bucket.Equal(p.bucket) {
		p.flush(t)
		p.open(bucket)
	}
	p.page = dedup.AppendEntry(p.page, h, r)
	p.dirty = true
	if len(p.page) >= pageBytesMax {
		p.flush(t)
		p.number++
		p.page = p.page[:0]
	}
	return true
}

// open starts a new page of a bucket, after those it has already.
func (p *pages) open(bucket time.Time) {
	p.bucket, p.page, p.number = bucket, p.page[:0], 0
	if last, ok := p.last[bucket.UnixMilli()]; ok {
		p.number = last + 1
	}
}

func (p *pages) key(t *Partition, bucket int64, number uint32) []byte {
	key := append(t.arena.room(len(stateRecent)+32), stateRecent...)
	key = append(strconv.AppendInt(key, bucket, 10), '|')
	return t.arena.done(strconv.AppendUint(key, uint64(number), 10))
}

// flush writes the page under way, if it grew.
func (p *pages) flush(t *Partition) {
	if !p.dirty {
		return
	}
	p.dirty = false
	bucket := p.bucket.UnixMilli()
	if p.last == nil {
		p.last = map[int64]uint32{}
	}
	p.last[bucket] = p.number
	value := t.arena.done(append(t.arena.room(len(p.page)), p.page...))
	t.state(p.key(t, bucket, p.number), value)
}

// expire forgets buckets that are older than the window, and their pages.
func (p *pages) expire(t *Partition, now time.Time) {
	for _, start := range t.recent.Expired(now) {
		bucket := start.UnixMilli()
		if last, ok := p.last[bucket]; ok {
			for number := range last + 1 {
				t.state(p.key(t, bucket, number), nil)
			}
			delete(p.last, bucket)
		}
		if start.Equal(p.bucket) {
			p.bucket, p.page, p.dirty = time.Time{}, p.page[:0], false
		}
	}
	t.recent.Expire(now)
}

// restore takes a page.
func (p *pages) restore(t *Partition, rest string, value []byte) error {
	b, n, ok := strings.Cut(rest, "|")
	bucket, err := strconv.ParseInt(b, 10, 64)
	number, err2 := strconv.ParseUint(n, 10, 32)
	if !ok || err != nil || err2 != nil {
		return fmt.Errorf("page of known messages: key %q is not bucket|page", rest)
	}
	if p.last == nil {
		p.last = map[int64]uint32{}
	}
	p.last[bucket] = max(p.last[bucket], uint32(number))
	return t.recent.Load(time.UnixMilli(bucket), value)
}
