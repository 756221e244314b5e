package processors

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// at is a beginning with records behind each position.
func at(positions ...int64) beginning {
	return beginning{at: [3]int64(positions), waits: [3]bool{true, true, true}}
}

func record(topic string, offset int64) piece { return piece{Topic: topic, Offset: offset} }

// again is a held chunk or a deferred record.
func again(topic string, offset int64, change, item int) piece {
	return piece{Topic: topic, Offset: offset, Change: change, Item: item, Again: true}
}

func TestTwoSessionsThatGetNowhereMakeTheThirdCareful(t *testing.T) {
	backlog := beginning{at: [3]int64{1, 2, 3}, backlog: true}
	live, both := [lanesCount]bool{laneLive: true}, [lanesCount]bool{true, true}
	bulk := [lanesCount]bool{laneBacklog: true}
	none := [lanesCount]bool{}
	for name, c := range map[string]struct {
		begins func(session int) beginning
		want   [lanesCount]bool
	}{
		"nothing gets on":                 {func(int) beginning { return at(1, 2, 3) }, both},
		"live does not":                   {func(n int) beginning { return at(1, 2, 3+int64(n)) }, live},
		"what is rerouted does not":       {func(n int) beginning { return at(1+int64(n), 2, 3+int64(n)) }, live},
		"history does not":                {func(n int) beginning { return at(1+int64(n), 2+int64(n), 3) }, bulk},
		"what waits for a turn may be it": {func(n int) beginning { b := backlog; b.at[0] += int64(n); return b }, bulk},
		"all gets on":                     {func(n int) beginning { return at(1+int64(n), 2+int64(n), 3+int64(n)) }, none},
	} {
		a := attempt{}.begun(c.begins(0), true)
		for session := 1; session <= patience; session++ {
			if a.careful() != none {
				t.Fatalf("%s: session %d is careful", name, session)
			}
			a = a.begun(c.begins(session), true)
		}
		if got := a.careful(); got != c.want {
			t.Errorf("%s: the session after two is careful of %v; want %v", name, got, c.want)
		}
		if next := a.begun(c.begins(patience), false); next.Sessions[laneBacklog] > a.Sessions[laneBacklog] {
			t.Errorf("%s: a session that ended for another reason counts: %+v", name, next)
		}
		if on := a.begun(at(10, 20, 30), true); on.careful() != none {
			t.Errorf("%s: a session that got on is careful", name)
		}
	}
	idle := beginning{at: [3]int64{1, 2, 3}}
	a := attempt{}
	for range 2 * patience {
		a = a.begun(idle, true)
	}
	if a.careful() != none {
		t.Error("a session is careful where nothing waits")
	}
	for range 2 * patience {
		a = a.begun(backlog, true)
		a.Sessions = [lanesCount]int{} // it lasted
	}
	if a = a.begun(backlog, true); a.careful() != none {
		t.Error("a session after one that lasted is careful")
	}
}

func TestABodyIsSetAsideAfterItWasUnderWayAloneTwice(t *testing.T) {
	a := attempt{At: [3]int64{1, 2, 3}, Sessions: [lanesCount]int{patience + 1, patience + 1}}
	for try := 1; try <= patience; try++ {
		next, over := a.alone(record("raw.live", 7))
		if over {
			t.Fatalf("set aside at its try %d", try)
		}
		a = next.begun(at(1, 2, 3), true)
	}
	if _, over := a.alone(record("raw.live", 8)); over {
		t.Error("another body is set aside")
	}
	if _, over := a.alone(record("raw.live", 7)); !over {
		t.Error("the body is tried once more")
	}
	on := a.begun(at(1, 2, 4), true)
	if _, over := on.alone(record("raw.live", 7)); !over || !on.careful()[laneLive] {
		t.Errorf("what got on beside it lets the body be tried again: %+v", on)
	}
	if after := a.begun(at(8, 2, 3), true); len(after.Alone) > 0 {
		t.Errorf("the tries of a body that got through are kept: %+v", after)
	}
}

func TestATryThatEndedForAnotherReasonDoesNotCount(t *testing.T) {
	a := attempt{At: [3]int64{1, 2, 3}, Sessions: [lanesCount]int{patience + 1, patience + 1}}
	for range 2 * patience {
		next, over := a.alone(record("raw.live", 7))
		if over {
			t.Fatal("the body is set aside")
		}
		a = next.begun(at(1, 2, 3), false)
	}
}

func TestWhatIsWorkedOnAgainHasItsTriesWhateverGetsOn(t *testing.T) {
	a := attempt{At: [3]int64{1, 2, 30}, Sessions: [lanesCount]int{patience + 1, patience + 1}}
	for try := 1; try <= patience; try++ {
		// Other bodies are under way alone before it, and get through; another one fails as well.
		for _, other := range []piece{again("raw.live", 5, 0, 0), again("raw.live", 6, 0, 0), record("raw.live", 40+int64(try))} {
			next, _ := a.alone(other)
			a = next.through()
		}
		for _, bad := range []piece{again("raw.bulk", 7, 0, 1), again("raw.live", 3, 0, 128)} {
			next, over := a.alone(bad)
			if over {
				t.Fatalf("%+v is set aside at its try %d", bad, try)
			}
			b := at(1+int64(try), 2, 30)
			b.backlog = true
			if a = next.begun(b, true); !a.careful()[laneBacklog] {
				t.Fatal("the next session is not careful")
			}
		}
	}
	for _, bad := range []piece{again("raw.bulk", 7, 0, 1), again("raw.live", 3, 0, 128)} {
		if _, over := a.alone(bad); !over {
			t.Errorf("%+v is tried once more", bad)
		}
	}
	for _, other := range []piece{again("rerouted", 7, 0, 1), again("raw.bulk", 7, 0, 2), again("raw.live", 3, 0, 256), again("raw.live", 5, 0, 0)} {
		if _, over := a.alone(other); over {
			t.Errorf("%+v is set aside", other)
		}
	}
}

func TestTheNoteOfManyTriesFitsAnOffsetsMetadata(t *testing.T) {
	a := attempt{At: [3]int64{1 << 60, 1 << 60, 1 << 60}}
	for i := range 1000 {
		a, _ = a.alone(again("raw.bulk", 1<<60-int64(i), 4095, 1<<30))
	}
	b, err := json.Marshal(a)
	if err != nil || len(b) > 4096 {
		t.Errorf("%d bytes, %v", len(b), err)
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
