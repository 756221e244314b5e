package history

import (
	"strings"
	"testing"
	"time"
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
