package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// FuzzNumber plays commands of four bytes: a kind and three arguments. For all of them, every accepted chunk leaves
// once, a restart changes nothing that can be seen, and in the end nothing is remembered.
func FuzzNumber(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 3, 0, 8, 40, 0, 0, 0, 0, 2, 0})
	f.Add([]byte{0, 0, 1, 255, 0, 16, 2, 255, 8, 5, 0, 0, 0, 16, 1, 0, 9, 1, 1, 0, 0, 0, 1, 7})
	f.Add([]byte{10, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0, 0, 9, 9, 9, 0, 10, 0, 0, 0, 11, 0, 0, 0, 12, 0, 0, 0})
	f.Add([]byte{1, 240, 1, 3, 2, 0, 200, 3, 3, 32, 255, 255, 8, 255, 1, 0, 13, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := DefaultConfig()
		cfg.HeldChunksMax = 8
		z := fuzzed{run: run{owner: newOwner(t, cfg)}, left: make(map[Ref]bool)}
		z.departure = func(d Departure, _ []message) {
			if z.left[d.Ref] {
				t.Fatalf("%v left twice", d.Ref)
			}
			z.left[d.Ref] = true
			z.accepted--
		}
		for ; len(data) >= 4 && z.offset < 2000; data = data[4:] {
			z.command(data[0], data[1], data[2], data[3])
			if held := z.n.Held(); held != z.accepted {
				t.Fatalf("%d chunks are held, %d wait", held, z.accepted)
			}
		}
		z.leaveAll(1 << 30)
		z.finish()
		if z.accepted != 0 || z.n.Held() != 0 || len(z.n.windows) != 0 {
			t.Fatalf("in the end %d chunks did not leave, %d windows are remembered", z.accepted, len(z.n.windows))
		}
	})
}

type fuzzed struct {
	run
	offset   int64
	accepted int // and did not leave yet
	left     map[Ref]bool
}

func (z *fuzzed) command(what, a, b, c byte) {
	z.offset++
	switch what % 14 {
	case 8, 9:
		z.tick(z.now.Add(time.Duration(a) * time.Duration(b) * time.Minute))
	case 10:
		z.n.Boundary(z.now, Boundary{Opens: c%4 == 0, Time: z.now.Add(-time.Duration(a) * time.Second), ReceivedAt: z.now.Add(time.Duration(int8(b)) * time.Minute)})
	case 11:
		z.n.Decline(z.now, z.now.Add(-time.Duration(a)*time.Minute), []byte{a, b, c})
	case 12:
		z.leaveAll(int(a))
	case 13:
		before := z.seen()
		z.restart(rand.New(rand.NewPCG(uint64(a), uint64(b))))
		if after := z.seen(); after != before {
			z.t.Fatalf("restarted: %s\nbefore:    %s", after, before)
		}
	default:
		z.send(a, b, c, what)
	}
}

// seen is what an owner sees without changing anything.
func (z *fuzzed) seen() string {
	z.commit()
	s := fmt.Sprintf("held %d, deadline %v", z.n.Held(), z.n.Deadline())
	for _, w := range z.n.windows {
		s += "\n" + describeSync(z.n.sync(w))
	}
	return s
}

// send takes the phase from the low bits of a and how late it is from the high ones, and hostile orders
// from b above 250.
func (z *fuzzed) send(a, b, c, what byte) {
	order := int32(b)
	if b > 250 {
		order = math.MaxInt32 - int32(255-b)
	}
	ch := Chunk{
		Ref:   Ref{Topic: schemas.TopicRawBulk, Offset: z.offset},
		Phase: int32(a & 7), Order: order, Progress: int32(c),
		HasPhase: a&8 == 0, HasOrder: what&1 == 0, HasProgress: c > 2,
		ReceivedAt: z.now.Add(time.Duration(a>>4)*time.Minute - time.Hour/8),
	}
	ch.Digest = schemas.HashBytes([]byte{c & 7})
	if z.chunk(ch, []message{{string(rune('a' + c%16)), schemas.Rank(c & 3)}}) == Accepted {
		z.accepted++
	}
	if c%32 == 31 {
		delete(z.log, ch.Ref)
	}
}
