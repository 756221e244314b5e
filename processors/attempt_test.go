package processors

import (
	"errors"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

func TestTwoSessionsThatGetNowhereMakeTheThirdCareful(t *testing.T) {
	at := [3]int64{1, 2, 3}
	a := attempt{}.begun(at, true)
	for session := 1; session <= patience; session++ {
		if a.careful() {
			t.Fatalf("session %d is careful", session)
		}
		a = a.begun(at, true)
	}
	if !a.careful() {
		t.Fatal("the session after two that got nowhere is not careful")
	}
	if again := a.begun(at, false); again != a {
		t.Errorf("a session that ended for another reason counts: %+v", again)
	}
	if on := a.begun([3]int64{1, 2, 4}, true); on.careful() {
		t.Error("a session that got on is careful")
	}
}

func TestABodyIsSetAsideAfterItWasUnderWayAloneTwice(t *testing.T) {
	at := [3]int64{1, 2, 3}
	a := attempt{At: at, Sessions: patience + 1}
	for try := 1; try <= patience; try++ {
		next, over := a.alone(0, "raw.live", 7)
		if over {
			t.Fatalf("set aside at its try %d", try)
		}
		a = next.begun(at, true)
	}
	if _, over := a.alone(0, "raw.live", 8); over {
		t.Error("another body is set aside")
	}
	if _, over := a.alone(0, "raw.live", 7); !over {
		t.Error("the body is tried once more")
	}
	on := a.begun([3]int64{1, 2, 4}, true)
	if _, over := on.alone(0, "raw.live", 7); !over || !on.careful() {
		t.Errorf("what got on beside it lets the body be tried again: %+v", on)
	}
	if _, over := a.begun([3]int64{8, 2, 3}, true).alone(0, "raw.live", 8); over {
		t.Error("the body behind one that got through is set aside")
	}
	if _, over := a.begun(at, false).alone(0, "raw.live", 7); over {
		t.Error("a try that ended for another reason counts")
	}
}

func TestTheBodyOfAHeldChunkIsSetAsideWhateverGetsOn(t *testing.T) {
	a := attempt{At: [3]int64{1, 2, 30}, Sessions: patience + 1}
	for try := 1; try <= patience; try++ {
		next, over := a.alone(ofHeld, "raw.bulk", 7)
		if over {
			t.Fatalf("set aside at its try %d", try)
		}
		next, _ = next.alone(0, "raw.live", int64(try))
		a = next.begun([3]int64{1 + int64(try), 2, 30}, true)
	}
	if _, over := a.alone(ofHeld, "raw.bulk", 7); !over {
		t.Error("the body is tried once more")
	}
	if _, over := a.alone(ofHeld, "rerouted", 7); over {
		t.Error("a body of another input is set aside")
	}
}

func TestAPanicIsAnErrorThatNamesTheRecord(t *testing.T) {
	r := &runner{partition: 3}
	err := func() (err error) {
		defer r.recovered(&err)
		r.under.topic, r.under.offset = schemas.TopicRawBulk, 7
		panic("an index out of range")
	}()
	if !errors.Is(err, errPanic) || !attributable(err) || !strings.Contains(err.Error(), "offset 7 of raw.bulk/3") {
		t.Errorf("the error is %v", err)
	}
}
