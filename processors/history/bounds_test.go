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
		ChunkMemory: time.Millisecond, HeldChunksMax: 1,
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestTitlesOfErrorsAreCutBetweenCharacters(t *testing.T) {
	cfg := DefaultConfig()
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct{ title, want string }{
		{x(256), x(256)}, {x(257), x(256)}, {x(1000), x(256)},
		{x(254) + "é", x(254) + "é"}, {x(255) + "é", x(255)}, {x(253) + "😀", x(253)}, {x(252) + "😀", x(252) + "😀"}, {x(255) + "😀", x(255)},
		{strings.Repeat("\x80", 300), ""},
	} {
		n := NewNumber(&cfg, testIdentity)
		n.Chunk(epoch, Chunk{ReceivedAt: epoch, Failed: true, Errors: []Error{{Code: 1, Title: test.title}}})
		s, ok := n.TakeSync()
		if !ok || len(s.Errors) != 1 || s.Errors[0].Title != test.want {
			t.Errorf("a title of %d bytes: %+v, want %d bytes", len(test.title), s.Errors, len(test.want))
		}
	}
}

func TestErrorsOfADeclineAreKeptUpToTheirBound(t *testing.T) {
	cfg := DefaultConfig()
	for size, kept := range map[int]bool{failureBytesMax: true, failureBytesMax + 1: false} {
		errors := `[{"title":"` + strings.Repeat("x", size-len(`[{"title":""}]`)) + `"}]`
		n := NewNumber(&cfg, testIdentity)
		n.Decline(epoch, epoch, []byte(errors))
		_, failure, ok := n.Declined()
		if !ok || (string(failure) == errors) != kept || (failure != nil) != kept {
			t.Errorf("errors of %d bytes: %d bytes are kept, declined %v", size, len(failure), ok)
		}
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

// failing is a number of which chunks fail and come whole.
type failing struct {
	*Number
	offset int64
}

func (f *failing) chunk(phase, order int32, failed bool) {
	f.offset++
	c := ordered(phase, order, f.offset)
	if failed {
		c.Digest.Lo, c.Failed, c.Errors = c.Digest.Lo+1<<20, true, []Error{{Code: int64(order), Title: strings.Repeat("x", titleBytesMax)}}
	}
	c.Progress, c.HasProgress = 100, !failed
	f.Chunk(epoch, c)
	for {
		d, ok := f.Next(epoch)
		if !ok {
			return
		}
		f.Left(epoch, d, 0, 0, nil)
	}
}

// second feeds the orders of a range to phase 2.
func (f *failing) second(from, to int, failed bool) {
	for order := from; order <= to; order++ {
		f.chunk(2, int32(order), failed)
	}
}

func newFailing() *failing {
	cfg := DefaultConfig()
	f := &failing{Number: NewNumber(&cfg, testIdentity)}
	f.chunk(0, 1, false)
	f.chunk(1, 1, false)
	return f
}

func (f *failing) state() string {
	for state := ""; ; {
		s, ok := f.TakeSync()
		if !ok {
			return state
		}
		state = s.State + "/" + s.EndReason
	}
}

// The places of failed chunks are remembered up to a bound, beyond the errors that are listed. With more, nobody knows
// whether all came whole: the sync is never complete.
func TestASyncWithMoreFailuresThanAreRememberedIsNeverComplete(t *testing.T) {
	const most = schemas.SyncErrorsMax + unheardMax
	for failures, want := range map[int]string{most: "done/complete", most + 1: "running/"} {
		f := newFailing()
		f.second(1, failures, true)
		f.second(1, failures, true) // the same ones, delivered again
		f.second(1, failures, false)
		if got := f.state(); got != want {
			t.Errorf("%d failures: %s, want %s", failures, got, want)
		}
	}
}

func TestAPlaceOfAFailedChunkThatCameWholeMakesRoomForAnother(t *testing.T) {
	const most = schemas.SyncErrorsMax + unheardMax
	f := newFailing()
	f.second(2, most+1, true)
	f.second(2, most+1, false) // held, because 1 is missing
	f.second(most+2, most+1+unheardMax, true)
	f.second(most+2, most+1+unheardMax, false)
	f.chunk(2, 1, false)
	if got := f.state(); got != "done/complete" {
		t.Errorf("all came whole, and yet the sync is %s", got)
	}
}

func TestErrorsAndPlacesOfFailuresCostMemory(t *testing.T) {
	f := newFailing()
	before := f.MemoryBytes()
	f.second(1, schemas.SyncErrorsMax, true)
	errors := f.MemoryBytes()
	if each := (errors - before) / schemas.SyncErrorsMax; each < titleBytesMax+64 || each > 3*(titleBytesMax+64) {
		t.Errorf("%d bytes for an error", each)
	}
	f.second(schemas.SyncErrorsMax+1, schemas.SyncErrorsMax+unheardMax, true)
	// A place takes 8 bytes, beside at most 16 of the chunk's identity.
	if each := (f.MemoryBytes() - errors) / unheardMax; each < 8+10 || each > 2*8+20 {
		t.Errorf("%d bytes for a place", each)
	}
}

func TestTheWindowOfATimeIsTheOneOfAChunkThatWasReceivedThen(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	after := func(d time.Duration) time.Time { return epoch.Add(d) }
	if got := n.WindowAt(epoch); got != 0 {
		t.Errorf("window %d of a number without syncs", got)
	}
	for i, at := range []time.Duration{10 * time.Second, 2 * time.Hour, 4 * time.Hour} {
		c := ordered(0, 1, int64(i))
		c.ReceivedAt = after(at)
		n.Chunk(c.ReceivedAt, c)
		n.Boundary(c.ReceivedAt, Boundary{ReceivedAt: after(at + time.Hour)})
	}
	for at, want := range map[time.Duration]int32{
		0: 0, 10*time.Second - time.Millisecond: 0, 10 * time.Second: 1, time.Hour: 1, time.Hour + 10*time.Second - time.Millisecond: 1,
		time.Hour + 10*time.Second: 2, 2 * time.Hour: 2, 3*time.Hour - time.Millisecond: 2, 3 * time.Hour: 3, 4 * time.Hour: 3, 100 * time.Hour: 3,
	} {
		if got := n.WindowAt(after(at)); got != want {
			t.Errorf("after %v: window %d, want %d", at, got, want)
		}
	}
}

func TestWaitsFindsAChunkAmongTheChunksOfAllPhases(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	offset := int64(0)
	for _, phase := range []int32{7, 0, 255, 2, 1} {
		for order := int32(2); order < 200; order += 2 {
			offset++
			n.Chunk(epoch, ordered(phase, order, offset))
		}
	}
	offset = 0
	for _, phase := range []int32{7, 0, 255, 2, 1} {
		for order := int32(2); order < 200; order += 2 {
			offset++
			ref := Ref{Topic: schemas.TopicRawBulk, Offset: offset}
			if !n.Waits(ref, phase, order) || n.Waits(ref, phase, order+1) || n.Waits(ref, phase+1, order) || n.Waits(Ref{Topic: schemas.TopicRawBulk, Offset: offset + 1}, phase, order) {
				t.Fatalf("chunk %d/%d", phase, order)
			}
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
	// What is kept of a digest are 78 bits. Those in two words both count.
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

// What a number costs is told by all that it remembers.
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
