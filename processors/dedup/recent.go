package dedup

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Recent remembers the messages of the last hours: each for at least the window, and for at most the
// window and one bucket. It is not safe for concurrent use.
//
// Messages are in buckets by the time of their arrival. A bucket is forgotten as a whole, and its start names it. The
// owner writes entries that Raise found new or raised to state pages under Bucket(now). It writes tombstones of these
// pages when Expired names the bucket. Time never goes back: an earlier time counts as the latest one.
//
// A message is remembered from when it first came, or from when its rank last rose; a duplicate does not
// lengthen that, so that an endless repetition costs no state.
type Recent struct {
	window  time.Duration
	length  time.Duration // of a bucket
	clock   time.Time
	start   time.Time // of the bucket of the clock
	end     time.Time // of that bucket
	buckets []bucket  // in the order of their starts
}

type bucket struct {
	start time.Time
	until time.Time // when its youngest message is older than the window
	set   *Set
}

// NewRecent makes an empty memory. The window is cut into at least one bucket: more of them forget
// sooner, fewer are faster, since a new message is looked for in each. A bucket is at least a
// millisecond long.
func NewRecent(window time.Duration, buckets int) *Recent {
	buckets = max(buckets, 1)
	length := (window + time.Duration(buckets) - 1) / time.Duration(buckets)
	return &Recent{window: window, length: max(length, time.Millisecond)}
}

// Bucket returns the start, in UTC, of the bucket into which Raise puts a message now.
func (r *Recent) Bucket(now time.Time) time.Time {
	r.advance(now)
	return r.start
}

// Raise adds a message, or raises its rank, and returns the former rank.
func (r *Recent) Raise(now time.Time, h schemas.Hash, rank schemas.Rank) (was schemas.Rank, seen bool) {
	was, seen = r.Lookup(now, h)
	if !seen || rank > was {
		r.bucket(r.Bucket(now)).Raise(h, rank)
	}
	return was, seen
}

// Lookup tells the highest rank at which a message was seen within the window.
func (r *Recent) Lookup(now time.Time, h schemas.Hash) (rank schemas.Rank, seen bool) {
	r.advance(now)
	for i := len(r.buckets) - 1; i >= 0; i-- {
		b := &r.buckets[i]
		if r.over(b) {
			break // and so are all before it
		}
		if k, ok := b.set.Lookup(h); ok {
			rank, seen = max(rank, k), true
		}
	}
	return rank, seen
}

// Expired lists the buckets that are older than the window, and that Expire would forget.
func (r *Recent) Expired(now time.Time) []time.Time {
	r.advance(now)
	var starts []time.Time
	for i := range r.buckets {
		if b := &r.buckets[i]; r.over(b) {
			starts = append(starts, b.start)
		}
	}
	return starts
}

// Expire forgets the buckets that are older than the window.
func (r *Recent) Expire(now time.Time) {
	r.advance(now)
	r.buckets = slices.DeleteFunc(r.buckets, func(b bucket) bool { return r.over(&b) })
}

// Deadline is when the next bucket expires; zero when there is none.
func (r *Recent) Deadline() time.Time {
	if len(r.buckets) == 0 {
		return time.Time{}
	}
	return r.buckets[0].until
}

// Load raises every entry of a page of the bucket that starts at the given time, as Bucket gave it.
func (r *Recent) Load(start time.Time, page []byte) error {
	r.advance(start)
	return r.bucket(start.UTC()).Load(page)
}

// Len is the number of entries. A message whose rank rose may have one in several buckets.
func (r *Recent) Len() int {
	n := 0
	for _, b := range r.buckets {
		n += b.set.Len()
	}
	return n
}

// Bytes is what the memory costs.
func (r *Recent) Bytes() int {
	n := 0
	for _, b := range r.buckets {
		n += b.set.Bytes()
	}
	return n
}

func (r *Recent) advance(now time.Time) {
	if !now.After(r.clock) {
		return
	}
	if r.clock = now; !now.Before(r.end) {
		r.start = now.UTC().Truncate(r.length)
		r.end = r.start.Add(r.length)
	}
}

func (r *Recent) over(b *bucket) bool { return !r.clock.Before(b.until) }

func (r *Recent) bucket(start time.Time) *Set {
	i := len(r.buckets)
	for i > 0 && r.buckets[i-1].start.After(start) {
		i--
	}
	if i > 0 && r.buckets[i-1].start.Equal(start) {
		return r.buckets[i-1].set
	}
	set := NewSet()
	r.buckets = slices.Insert(r.buckets, i, bucket{start, start.Add(r.length + r.window), set})
	return set
}
