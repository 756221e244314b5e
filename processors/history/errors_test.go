package history

import (
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// Records of older versions do not say which of the failures that they omit came whole since.
func TestOmittedErrorsOfOlderRecordsAreFailuresForEver(t *testing.T) {
	for _, test := range []struct {
		record string
		want   int64
	}{
		{`{"v":1,"errors_omitted":3}`, 3}, {`{"v":1}`, 0}, {`{"v":1,"errors_omitted":3,"unheard":{"f":1}}`, 1}, {`{"v":1,"errors_omitted":3,"unheard":{}}`, 0},
	} {
		n := restoredFrom(t, map[string][]byte{numberKey: []byte(`{"v":1,"windows":1}`), "w/1": []byte(test.record)})
		if got := n.last().unheard.Forgot; got != test.want {
			t.Errorf("%s: %d are never heard of, want %d", test.record, got, test.want)
		}
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
