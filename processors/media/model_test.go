package media_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/schemas"
)

var start = time.Date(2026, 3, 1, 10, 17, 0, 0, time.UTC)

// model is the Book in its plainest form: lists, and no limits of memory.
type model struct {
	cfg     media.Config
	seen    map[schemas.Hash]time.Time // when a placeholder was seen last
	data    map[schemas.Hash]media.Placeholder
	waiting []waits
}

type waits struct {
	key   schemas.Hash
	value string
	until time.Time
}

func (m *model) placeholder(now time.Time, key schemas.Hash, p media.Placeholder) (out []string) {
	out = m.leave(func(w waits) bool { return w.key == key })
	m.seen[key] = now
	m.data[key] = p
	return out
}

func (m *model) leave(which func(waits) bool) (out []string) {
	m.waiting = slices.DeleteFunc(m.waiting, func(w waits) bool {
		if which(w) {
			out = append(out, w.value)
			return true
		}
		return false
	})
	return out
}

func (m *model) wait(now time.Time, key schemas.Hash, value string) bool {
	size := len(value)
	for _, w := range m.waiting {
		if w.key == key && w.value == value {
			return true
		}
		size += len(w.value)
	}
	if len(m.waiting) >= m.cfg.HoldItemsMax || size > m.cfg.HoldBytesMax {
		return false
	}
	m.waiting = append(m.waiting, waits{key, value, now.Add(m.cfg.Hold)})
	return true
}

func values(list []media.FollowUp) (out []string) {
	for _, f := range list {
		out = append(out, string(f.Value))
	}
	return out
}

// state is the compacted `state` topic.
type state map[string][]byte

func (s state) take(b *media.Book) {
	b.TakeState(func(key string, value []byte) {
		if value == nil {
			delete(s, key)
		} else {
			s[key] = bytes.Clone(value)
		}
	})
}

func (s state) restored(t *testing.T, cfg *media.Config, r *rand.Rand) *media.Book {
	t.Helper()
	b := media.New(cfg)
	keys := slices.Sorted(maps.Keys(s))
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		if err := b.Restore(k, s[k]); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestBookAgreesWithTheModelThroughRestarts(t *testing.T) {
	r := seed.Rand(t)
	for range 150 {
		cfg := media.DefaultConfig()
		cfg.HoldItemsMax, cfg.HoldBytesMax = 1+r.IntN(30), 50+r.IntN(400)
		b, topic := media.New(&cfg), state{}
		m := &model{cfg: cfg, seen: map[schemas.Hash]time.Time{}, data: map[schemas.Hash]media.Placeholder{}}
		now := start
		for step := range 800 {
			if r.IntN(200) == 0 {
				now = now.Add(time.Duration(r.Int64N(int64(10 * 24 * time.Hour))))
			}
			now = now.Add(time.Duration(r.Int64N(int64(4 * time.Minute))))
			n := r.IntN(150)
			key := schemas.HashBytes([]byte{byte(n)})
			// One wamid has one thread, time and direction, in any chunk.
			p := media.Placeholder{
				Thread: fmt.Sprintf("1650555%04d", n%7), Group: n%5 == 0, Direction: []string{"inbound", "outbound", "unknown"}[n%3],
				Timestamp: start.Unix() - int64(n)*6*3600,
			}
			var got, want []string
			switch op := r.IntN(10); {
			case op < 4:
				got, want = values(b.Placeholder(now, key, p)), m.placeholder(now, key, p)
			case op < 8:
				if _, known := b.Find(key); !known {
					value := fmt.Sprintf("%d/%d", n, r.IntN(3))
					if got, want := b.Wait(now, key, []byte(value)), m.wait(now, key, value); got != want {
						t.Fatalf("step %d: Wait = %v, want %v", step, got, want)
					}
				}
			default:
				due := b.Deadline()
				topic.take(b)
				before := len(topic)
				got, want = values(b.Tick(now)), m.leave(func(w waits) bool { return !w.until.After(now) })
				if topic.take(b); !due.IsZero() && due.After(now) && (len(got) != 0 || len(topic) < before) {
					t.Fatalf("step %d: Tick did something before the deadline %v", step, due)
				}
				if due = b.Deadline(); !due.IsZero() && !due.After(now) {
					t.Fatalf("step %d: the deadline %v is past after Tick(%v)", step, due, now)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("step %d: %q left, want %q", step, got, want)
			}
			for key, seen := range m.seen {
				found, ok := b.Find(key)
				switch age := now.Sub(seen); {
				case ok && found != m.data[key]:
					t.Fatalf("step %d: found %+v, want %+v", step, found, m.data[key])
				case !ok && age < cfg.Remember:
					t.Fatalf("step %d: a placeholder is forgotten after %v", step, age)
				}
			}
			if r.IntN(20) == 0 {
				topic.take(b)
				b = topic.restored(t, &cfg, r)
				if again := (state{}); true {
					if again.take(b); len(again) != 0 {
						t.Fatalf("step %d: a restored book tells what it was told: %v", step, again)
					}
				}
			}
		}
		// In the end everything is forgotten, and the state is empty.
		b.Tick(now.Add(cfg.Remember + cfg.Remember/8))
		topic.take(b)
		if p, f := b.Len(); p != 0 || f != 0 || len(topic) != 0 || !b.Deadline().IsZero() {
			t.Fatalf("%d placeholders, %d follow-ups, %d state records, deadline %v are left", p, f, len(topic), b.Deadline())
		}
	}
}

func FuzzRestore(f *testing.F) {
	cfg := media.DefaultConfig()
	b := media.New(&cfg)
	for i := range byte(70) {
		b.Placeholder(start, schemas.HashBytes([]byte{i}), media.Placeholder{Thread: "16505551234"[:5+i/20], Timestamp: start.Unix(), Direction: "inbound"})
	}
	b.Wait(start, schemas.Hash{Hi: 1}, []byte("{}"))
	b.TakeState(func(key string, value []byte) { f.Add(key, value) })
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		b := media.New(&cfg)
		if b.Restore(key, value) != nil {
			if p, n := b.Len(); p+n != 0 {
				t.Fatal("refused, and yet something of it is there")
			}
			return
		}
		b.Tick(b.Deadline())
		b.TakeState(func(string, []byte) {})
	})
}

// A bucket of many pages, written by several lives of a book, is restored whole and taken away whole.
func TestPagesOfSeveralLivesAreOneBucket(t *testing.T) {
	r := seed.Rand(t)
	cfg := media.DefaultConfig()
	b, topic := media.New(&cfg), state{}
	key := func(i int) schemas.Hash { return schemas.HashBytes(fmt.Append(nil, i)) }
	placeholder := func(i int) media.Placeholder {
		return media.Placeholder{Thread: fmt.Sprint(i % 9), Timestamp: int64(i), Direction: "inbound"}
	}
	const n = 1000
	for i := range n {
		b.Placeholder(start, key(i), placeholder(i))
		if r.IntN(10) == 0 {
			topic.take(b)
		}
		if r.IntN(150) == 0 {
			topic.take(b)
			b = topic.restored(t, &cfg, r)
		}
	}
	topic.take(b)
	b = topic.restored(t, &cfg, r)
	for i := range n {
		if got, ok := b.Find(key(i)); !ok || got != placeholder(i) {
			t.Fatalf("placeholder %d of %d pages: %+v, %v", i, len(topic), got, ok)
		}
	}
	if len(topic) < n/64 || len(topic) > n/64+20 {
		t.Errorf("%d pages of %d placeholders", len(topic), n)
	}
	b.Tick(start.Add(2 * cfg.Remember))
	topic.take(b)
	if p, _ := b.Len(); p != 0 || len(topic) != 0 {
		t.Errorf("%d placeholders and %d pages are left", p, len(topic))
	}
}
