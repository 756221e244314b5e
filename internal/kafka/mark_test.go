package kafka

import (
	"reflect"
	"testing"
	"time"
)

func TestAMarkIsReadAsItWasWritten(t *testing.T) {
	m := Mark{
		At: time.UnixMilli(1_764_500_000_123),
		Logs: []LogMark{
			{Topic: "raw.live", ID: [16]byte{1, 2, 3, 255}, Next: 17, End: 20},
			{Topic: "state", ID: [16]byte{9}, Next: 1, End: 0},
		},
		Fault: &LogFault{Kind: FaultCut, Topic: "raw.live", From: 3, To: 17, Found: time.UnixMilli(1_764_400_000_000)},
	}
	got, ok := ParseMark(m.String())
	if !ok || !reflect.DeepEqual(got, m) {
		t.Errorf("%q is read as %+v, %v", m.String(), got, ok)
	}
	if n := len(m.String()); n > 512 {
		t.Errorf("a mark has %d bytes", n)
	}
	if l, ok := got.Log("raw.live"); !ok || l.Next != 17 {
		t.Errorf("raw.live: %+v, %v", l, ok)
	}
	if _, ok := got.Log("raw.bulk"); ok {
		t.Error("a log that is not in it")
	}
	if got, ok := ParseMark(m.String() + " later=x colour=blue"); !ok || len(got.Logs) != 2 {
		t.Errorf("words of a later version: %+v, %v", got, ok)
	}
}

func TestWhatIsNoMarkIsNone(t *testing.T) {
	for _, s := range []string{
		"", "coexstream-processor-6d2c", "coex2 at=1", "coex1", "coex1 at=x", "coex1 at=1 raw.live=zz,1,2", "coex1 at=1 raw.live=AAAAAAAAAAAAAAAAAAAAAA,1,x", "coex1 at=1 fault=cut,raw.live,1,2,x",
	} {
		if m, ok := ParseMark(s); ok {
			t.Errorf("%q: %+v", s, m)
		}
	}
}
