package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The queue behaves like a sorted slice, for any order of insertions and removals.
func TestQueueIsASortedListWhateverTheOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(max(*seed, 1), 1))
	for range 60 {
		var q queue
		var want []held
		way := rng.IntN(4)
		for seq := range uint32(rng.IntN(600)) {
			h := held{seq: seq, at: millis(rng.IntN(1000))}
			switch way {
			case 0:
				h.order = int32(seq)
			case 1:
				h.order = 1000 - int32(seq)
			case 2:
				h.order = rng.Int32N(50)
			default:
				h.order = rng.Int32N(100000)
			}
			q.insert(h)
			want = append(want, h)
			slices.SortFunc(want, byOrder)
			for len(want) > 0 && rng.IntN(3) == 0 {
				i := 0
				if rng.IntN(4) == 0 {
					i = rng.IntN(len(want))
				}
				q.remove(want[i])
				want = slices.Delete(want, i, i+1)
			}
			same(t, &q, want)
			if order := rng.Int32N(1001); q.occupied(order) != slices.ContainsFunc(want, func(h held) bool { return h.order == order }) {
				t.Fatalf("occupied(%d) of %v", order, want)
			}
		}
	}
}

// Chunks that come in their order, or in the reverse one, fill their blocks.
func TestBlocksOfAQueueAreFullWhereChunksComeInOrder(t *testing.T) {
	const n = 10 * blockItemsMax
	for name, order := range map[string]func(i int32) int32{"in order": func(i int32) int32 { return i }, "in reverse": func(i int32) int32 { return n - i }} {
		var q queue
		for i := range int32(n) {
			q.insert(held{seq: uint32(i), order: order(i)})
		}
		if len(q.blocks) != n/blockItemsMax {
			t.Errorf("%s: %d blocks of %d chunks", name, len(q.blocks), n)
		}
	}
}

// Removed chunks free their memory, from both ends.
func TestAQueueThatIsEmptiedGivesItsMemoryBack(t *testing.T) {
	const n = 100 * blockItemsMax
	for name, next := range map[string]func(left int) int32{
		"from the front": func(left int) int32 { return int32(n - left) }, "from the back": func(left int) int32 { return int32(left - 1) },
	} {
		var q queue
		for i := range int32(n) {
			q.insert(held{seq: uint32(i), order: i})
		}
		for left := n; left > 0; left-- {
			q.remove(held{seq: uint32(next(left)), order: next(left)})
			// A block has a waste of its own: an eighth, and chunks that were not moved yet.
			if most := (left+left/4+2*blockItemsMax)*heldBytes + (4*len(q.blocks)+20)*blockBytes; q.bytes() > most {
				t.Fatalf("%s: %d bytes for %d chunks, want at most %d", name, q.bytes(), left-1, most)
			}
		}
		if q.len() != 0 || q.bytes() > 20*blockBytes {
			t.Errorf("%s: %d bytes for none", name, q.bytes())
		}
	}
}

func same(t *testing.T, q *queue, want []held) {
	t.Helper()
	since, i := never, 0
	q.each(func(h *held) {
		if i >= len(want) || *h != want[i] {
			t.Fatalf("item %d is %v of %d", i, *h, len(want))
		}
		since = min(since, h.at)
		i++
	})
	if i != len(want) || q.len() != len(want) || q.since() != since {
		t.Fatalf("%d items, len %d, since %d; want %d, since %d", i, q.len(), q.since(), len(want), since)
	}
	if least := len(want)*heldBytes + len(q.blocks)*blockBytes; q.bytes() < least {
		t.Fatalf("%d bytes for %d items in %d blocks", q.bytes(), len(want), len(q.blocks))
	}
	for i := range q.blocks {
		if n := q.blocks[i].len(); n == 0 || n > blockItemsMax {
			t.Fatalf("block %d has %d items", i, n)
		}
	}
	if len(want) > 0 && *q.head() != want[0] {
		t.Fatalf("the head is %v, want %v", *q.head(), want[0])
	}
}

// The bound holds after each body. Chunks over it leave in order, and the sync reports missing ones.
func TestNoMoreChunksAreHeldThanMayBe(t *testing.T) {
	cfg := DefaultConfig()
	cfg.HeldChunksMax = 100
	n := NewNumber(&cfg, testIdentity)
	last := int32(0)
	for body := range int32(20) {
		for i := range int32(500) {
			n.Chunk(epoch, ordered(0, 2*(body*500+500-i), int64(body*500+i))) // each with a hole before it
		}
		for {
			d, ok := n.Next(epoch)
			if !ok {
				break
			}
			if order := *d.Position.ChunkOrder; order <= last || d.Late {
				t.Fatalf("chunk %d (late %v) leaves after chunk %d", order, d.Late, last)
			} else {
				last = order
			}
			n.Left(epoch, d, 1, 0, nil)
		}
		if held := n.Held(); held != cfg.HeldChunksMax {
			t.Fatalf("%d chunks are held after body %d", held, body)
		}
	}
	if got, want := n.Gaps(), 20*500-100; got != want {
		t.Errorf("%d gaps, want %d", got, want)
	}
	if got := n.TakeMissed(); got != 20*500-100 || n.TakeMissed() != 0 {
		t.Errorf("%d gaps are counted, want %d once", got, 20*500-100)
	}
	if got := len(n.last().phases[0].gaps); got != gapsMax {
		t.Errorf("%d gaps are remembered, want %d", got, gapsMax)
	}
	s, _ := n.TakeSync()
	if p := s.Phases[0]; len(p.Gaps) != gapsToldMax || p.GapsOmitted != 20*500-gapsToldMax {
		t.Errorf("%d gaps are listed, %d omitted", len(p.Gaps), p.GapsOmitted)
	}
	n.TakeState(func(key string, value []byte) {
		if len(value) > 128<<10 {
			t.Errorf("the record %s has %d bytes", key, len(value))
		}
	})
}
