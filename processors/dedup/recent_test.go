package dedup_test

import (
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

var start = time.Date(2026, 3, 1, 10, 17, 0, 0, time.UTC)

const window = 24 * time.Hour

func TestMessageIsRememberedForTheWindowAndAtMostOneBucketMore(t *testing.T) {
	r := seed.Rand(t)
	for _, buckets := range []int{1, 7, 24} {
		length := (window + time.Duration(buckets) - 1) / time.Duration(buckets)
		for range 200 {
			recent := dedup.NewRecent(window, buckets)
			came := start.Add(time.Duration(r.Int64N(int64(length))))
			h := schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}
			recent.Raise(came, h, schemas.RankConcrete)
			for _, test := range []struct {
				age  time.Duration
				want bool
			}{{0, true}, {window - 1, true}, {window + length, false}} {
				if _, seen := recent.Lookup(came.Add(test.age), h); seen != test.want {
					t.Fatalf("%d buckets: after %v seen: %v", buckets, test.age, seen)
				}
				recent.Expire(came.Add(test.age))
				if got := recent.Len() == 1; got != test.want {
					t.Fatalf("%d buckets: after %v held: %v", buckets, test.age, got)
				}
			}
		}
	}
}

// docs/webhooks.md, Delivery: duplicates are normal; 131060: a higher rank is no duplicate.
func TestRaisedMessageIsRememberedFromItsNewestRank(t *testing.T) {
	recent := dedup.NewRecent(window, 24)
	h := schemas.HashBytes([]byte("wamid.1"))
	recent.Raise(start, h, schemas.RankPlaceholder)
	if was, seen := recent.Raise(start.Add(23*time.Hour), h, schemas.RankConcrete); !seen || was != schemas.RankPlaceholder {
		t.Fatalf("Raise = %d, %v", was, seen)
	}
	now := start.Add(46 * time.Hour)
	recent.Expire(now)
	if rank, seen := recent.Lookup(now, h); !seen || rank != schemas.RankConcrete {
		t.Fatalf("Lookup = %d, %v", rank, seen)
	}
}

func TestDuplicateDoesNotLengthenTheMemory(t *testing.T) {
	recent := dedup.NewRecent(window, 24)
	h := schemas.HashBytes([]byte("wamid.1"))
	recent.Raise(start, h, schemas.RankConcrete)
	for age := time.Hour; age < window; age += time.Hour {
		if _, seen := recent.Raise(start.Add(age), h, schemas.RankConcrete); !seen {
			t.Fatalf("forgotten after %v", age)
		}
	}
	if recent.Len() != 1 {
		t.Fatalf("%d entries of one message", recent.Len())
	}
	if _, seen := recent.Raise(start.Add(window+time.Hour), h, schemas.RankConcrete); seen {
		t.Fatal("remembered for longer than the window and a bucket")
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	recent := dedup.NewRecent(window, 24)
	h := schemas.HashBytes([]byte("wamid.1"))
	recent.Expire(start)
	recent.Raise(start.Add(-48*time.Hour), h, schemas.RankConcrete) // read late, from a backlog
	recent.Expire(start)
	if _, seen := recent.Lookup(start.Add(window-time.Minute), h); !seen {
		t.Fatal("a message that was read late is not remembered for the window")
	}
}

// docs/ARCHITECTURE.md: the deduplication window survives restarts and reassignments. The owner writes a page under
// Bucket(now) for new and raised entries, and a tombstone for every bucket in Expired.
func TestRestoredFromItsPagesItAnswersAsBefore(t *testing.T) {
	r := seed.Rand(t)
	for range 30 {
		recent := dedup.NewRecent(window, 8)
		state := map[time.Time][][]byte{}
		now := start
		draw := func() schemas.Hash { return schemas.Hash{Hi: r.Uint64N(300) << 55} }
		for range 3000 {
			now = now.Add(time.Duration(r.Int64N(int64(3 * time.Minute))))
			h, rank := draw(), schemas.Rank(r.IntN(4))
			if was, seen := recent.Raise(now, h, rank); !seen || rank > was {
				b := recent.Bucket(now)
				state[b] = append(state[b], dedup.AppendEntry(nil, h, rank))
			}
			if r.IntN(50) == 0 {
				expired := recent.Expired(now)
				for _, b := range expired {
					if _, ok := state[b]; !ok {
						t.Fatalf("bucket %v expires, and has no page", b)
					}
					delete(state, b)
				}
				recent.Expire(now)
				if left := recent.Expired(now); len(left) != 0 {
					t.Fatalf("expired and still there: %v", left)
				}
			}
			if r.IntN(500) == 0 {
				restored := dedup.NewRecent(window, 8)
				for b, pages := range state { // in any order
					for _, p := range pages {
						if err := restored.Load(b, p); err != nil {
							t.Fatal(err)
						}
					}
				}
				for range 300 {
					h := draw()
					r1, s1 := recent.Lookup(now, h)
					if r2, s2 := restored.Lookup(now, h); r1 != r2 || s1 != s2 {
						t.Fatalf("restored: %d, %v; before: %d, %v", r2, s2, r1, s1)
					}
				}
				if !restored.Deadline().Equal(recent.Deadline()) {
					t.Fatalf("restored: deadline %v; before: %v", restored.Deadline(), recent.Deadline())
				}
				recent = restored
			}
		}
	}
}

func TestDeadlineIsWhenTheOldestBucketExpires(t *testing.T) {
	recent := dedup.NewRecent(window, 24)
	if !recent.Deadline().IsZero() {
		t.Fatal("an empty memory waits for something")
	}
	recent.Raise(start.Add(3*time.Hour), schemas.Hash{Hi: 2}, 0)
	recent.Raise(start, schemas.Hash{Hi: 1}, 0)
	d := recent.Deadline()
	if got := recent.Expired(d.Add(-1)); len(got) != 0 {
		t.Fatalf("expired before the deadline: %v", got)
	}
	if got := recent.Expired(d); !slices.Equal(got, []time.Time{recent.Deadline().Add(-window - time.Hour)}) {
		t.Fatalf("expired at the deadline: %v", got)
	}
}
