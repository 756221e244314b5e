package history

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

func TestTheLeastOfTheConfigIsAllowed(t *testing.T) {
	c := Config{
		PhaseHold: time.Millisecond, GapTimeout: time.Millisecond, QuietTime: time.Millisecond, Ceiling: time.Millisecond,
		ChunkMemory: time.Millisecond, SilentAfter: time.Millisecond, StalledAfter: time.Millisecond, DeadlineNear: time.Millisecond,
		HeldChunksMax: 1,
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPhasesUpTo255HaveAnOrder(t *testing.T) {
	cfg := DefaultConfig()
	for phase, want := range map[int32]bool{0: true, PhaseMax: true, PhaseMax + 1: false, -1: false} {
		n := NewNumber(&cfg, testIdentity)
		n.Chunk(epoch, ordered(phase, 1, 1))
		s, _ := n.TakeSync()
		if s.OrderKnown != want || (len(s.Phases) == 1) != want {
			t.Errorf("phase %d: %+v", phase, s)
		}
	}
}

func TestADepartureIsKnownByTheDigestOfItsChunk(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	c := ordered(0, 1, 1)
	n.Chunk(epoch, c)
	d, _ := n.Next(epoch)
	if !n.Is(d, c.Digest) {
		t.Error("the digest of the chunk is not known")
	}
	for name, digest := range map[string]schemas.Hash{
		"another": schemas.HashBytes([]byte("x")), "none": {}, "another half": {Hi: c.Digest.Hi, Lo: c.Digest.Lo + 1}, "the other half": {Hi: c.Digest.Hi + 1, Lo: c.Digest.Lo},
	} {
		if n.Is(d, digest) {
			t.Errorf("%s counts as the chunk's digest", name)
		}
	}
	// Of a digest, 78 bits are stored, in two words. Both words count.
	p := &n.next
	for _, change := range []func(){func() { p.h.identHi++ }, func() { p.h.identHi--; p.h.identLo += 4 }} {
		if change(); n.Is(d, c.Digest) {
			t.Error("half of the identity is enough")
		}
	}
	p.h.identLo -= 4
	n.Left(epoch, d, 0, 0, nil)
	if n.Is(d, c.Digest) {
		t.Error("a departure that was answered is known")
	}
}

func TestAPartOfNoMessagesPanics(t *testing.T) {
	cfg := DefaultConfig()
	for _, parts := range [][]int{{0}, {2, 2}, {2, 1}} {
		n := NewNumber(&cfg, testIdentity)
		c := ordered(0, 1, 1)
		c.Messages = 5
		n.Chunk(epoch, c)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("parts to %v are not noticed", parts)
				}
			}()
			for _, upTo := range parts {
				d, _ := n.Next(epoch)
				n.Partly(epoch, d, upTo, 1, 0, nil)
			}
		}()
	}
}

func TestPendingBoundariesCostMemory(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	n.Chunk(epoch, ordered(0, 1, 1))
	before := n.MemoryBytes()
	for i := range pendingMax {
		n.Boundary(epoch, Boundary{ReceivedAt: epoch.Add(time.Duration(i+1) * time.Hour)})
	}
	each := int(unsafe.Sizeof(Boundary{}))
	if got := (n.MemoryBytes() - before) / pendingMax; got < each || got > 2*each {
		t.Errorf("%d bytes for a boundary of %d", got, each)
	}
}

func TestAChunkThatMayLeaveIsNoReasonForATick(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	n.Chunk(epoch, ordered(0, 1, 1))
	if got, want := n.Deadline(), epoch.Add(cfg.QuietTime); !got.Equal(want) {
		t.Errorf("the deadline is %v, want %v", got, want)
	}
}

// MemoryBytes includes everything that a number remembers.
func TestMemoryGrowsWithAllThatIsRemembered(t *testing.T) {
	cfg := DefaultConfig()
	const chunks = 1000
	const identity = 10 // bytes of a chunk's identity at least; at most twice as many
	leave := func(n *Number, lost bool) {
		for {
			d, ok := n.Next(epoch)
			if !ok {
				return
			}
			if lost {
				n.Missing(epoch, d)
			} else {
				n.Left(epoch, d, 0, 0, nil)
			}
		}
	}
	for name, test := range map[string]struct {
		fill  func(n *Number)
		bytes int // at least; at most 2.5 times as many
	}{
		"errors of a decline": {func(n *Number) {
			n.Decline(epoch, epoch, []byte(`[{"title":"`+strings.Repeat("x", 60_000)+`"}]`))
		}, 60_000},
		"chunks without an order": {func(n *Number) {
			for i := range chunks {
				c := ordered(0, int32(i), int64(i))
				c.HasOrder = false
				n.Chunk(epoch, c)
			}
		}, chunks * (heldBytes + identity)},
		"phases": {func(n *Number) {
			for i := range int32(PhaseMax + 1) {
				n.Chunk(epoch, ordered(i, 1, int64(i)))
				n.Tick(epoch.Add(time.Hour))
				leave(n, false)
			}
		}, (PhaseMax + 1) * (int(unsafe.Sizeof(phase{})) + identity)},
		"gaps": {func(n *Number) {
			for i := range int32(chunks) {
				n.Chunk(epoch, ordered(0, 2*i+2, int64(i)))
			}
			n.Tick(epoch.Add(time.Hour))
			leave(n, false)
		}, chunks * (int(unsafe.Sizeof(gap{})) + identity)},
		"chunks that were lost": {func(n *Number) {
			for i := range int32(chunks) {
				n.Chunk(epoch, ordered(0, i+1, int64(i)))
				leave(n, true)
			}
		}, chunks * (2*int(unsafe.Sizeof(schemas.Hash{})) + int(unsafe.Sizeof(gap{})) + identity)},
		"windows": {func(n *Number) {
			for i := range windowsMax {
				c := ordered(0, 1, int64(i))
				c.ReceivedAt = epoch.Add(time.Duration(i) * time.Hour)
				n.Boundary(epoch, Boundary{ReceivedAt: c.ReceivedAt})
				n.Chunk(epoch, c)
				leave(n, false)
			}
		}, windowsMax * int(unsafe.Sizeof(window{})+unsafe.Sizeof(phase{}))},
	} {
		n := NewNumber(&cfg, testIdentity)
		empty := n.MemoryBytes()
		test.fill(n)
		n.TakeState(func(string, []byte) {})
		if got := n.MemoryBytes() - empty; got < test.bytes || got > test.bytes*5/2 {
			t.Errorf("%s: %d bytes, want %d and at most 2.5 times as many", name, got, test.bytes)
		}
	}
}
