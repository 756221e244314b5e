package processors

import (
	"testing"

	"github.com/coexstream/coexstream/internal/kafka"
)

func TestALogIsJudgedByWhatIsKnownOfIt(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	mark := func(id [16]byte, next, end int64) kafka.LogMark {
		return kafka.LogMark{Topic: "raw.live", ID: id, Next: next, End: end}
	}
	for name, c := range map[string]struct {
		then savedLog
		now  currentLog
		want logFinding
	}{
		"a new group":                            {savedLog{at: -1}, currentLog{one, 5, 9, -1}, logFinding{from: 5}},
		"nothing happened":                       {savedLog{7, true, mark(one, 7, 9)}, currentLog{one, 5, 9, 9}, logFinding{from: 7}},
		"all of it was read":                     {savedLog{9, true, mark(one, 9, 9)}, currentLog{one, 5, 9, 9}, logFinding{from: 9}},
		"committed by an older version":          {savedLog{at: 7}, currentLog{one, 5, 9, -1}, logFinding{from: 7}},
		"brokers without topic ids":              {savedLog{7, true, mark([16]byte{}, 7, 9)}, currentLog{[16]byte{}, 5, 9, -1}, logFinding{from: 7}},
		"retention":                              {savedLog{3, true, mark(one, 3, 9)}, currentLog{one, 5, 9, 9}, logFinding{from: 5, unread: span{3, 5}}},
		"retention of all":                       {savedLog{3, true, mark(one, 3, 9)}, currentLog{one, 9, 9, -1}, logFinding{from: 9, unread: span{3, 9}}},
		"the log was cut":                        {savedLog{7, true, mark(one, 7, 9)}, currentLog{one, 2, 4, -1}, logFinding{from: 4, fault: kafka.FaultCut, again: true, read: span{4, 7}, unread: span{7, 9}}},
		"cut, and committed by an older version": {savedLog{at: 7}, currentLog{one, 2, 4, -1}, logFinding{from: 4, fault: kafka.FaultCut, again: true, read: span{4, 7}, unread: span{7, 7}}},
		"cut, by the same leader":                {savedLog{7, true, mark(one, 7, 9)}, currentLog{one, 2, 4, 4}, logFinding{from: 4, fault: kafka.FaultCut, again: true, read: span{4, 7}, unread: span{7, 9}}},
		"cut of what was not read":               {savedLog{7, true, mark(one, 7, 9)}, currentLog{one, 2, 8, 8}, logFinding{from: 7}},
		"cut, and written on beyond":             {savedLog{7, true, mark(one, 7, 9)}, currentLog{one, 2, 20, 4}, logFinding{from: 4, fault: kafka.FaultCut, read: span{4, 7}, unread: span{7, 9}}},
		"cut before its start":                   {savedLog{7, true, mark(one, 7, 9)}, currentLog{one, 5, 20, 0}, logFinding{from: 5, fault: kafka.FaultCut, read: span{0, 7}, unread: span{7, 9}}},
		"made again, shorter":                    {savedLog{7, true, mark(one, 7, 9)}, currentLog{two, 0, 3, -1}, logFinding{from: 0, fault: kafka.FaultRecreated, read: span{0, 7}, unread: span{7, 9}}},
		"made again, and longer by now":          {savedLog{7, true, mark(one, 7, 9)}, currentLog{two, 0, 30, 30}, logFinding{from: 0, fault: kafka.FaultRecreated, read: span{0, 7}, unread: span{7, 9}}},
		"made again, its offset gone with it":    {savedLog{-1, true, mark(one, 7, 9)}, currentLog{two, 0, 30, -1}, logFinding{from: 0, fault: kafka.FaultRecreated, read: span{0, 7}, unread: span{7, 9}}},
		"made again, and it was empty":           {savedLog{0, true, mark(one, 0, 0)}, currentLog{two, 0, 3, -1}, logFinding{}},
		"its offset is gone alone":               {savedLog{-1, true, mark(one, 7, 9)}, currentLog{one, 0, 30, -1}, logFinding{from: 7, fault: kafka.FaultForgotten}},
		"its offset is gone, and retention came": {savedLog{-1, true, mark(one, 7, 9)}, currentLog{one, 8, 30, -1}, logFinding{from: 8, fault: kafka.FaultForgotten, unread: span{7, 8}}},
		"its offset is gone, and the log is cut": {savedLog{-1, true, mark(one, 7, 9)}, currentLog{one, 0, 3, -1}, logFinding{from: 3, fault: kafka.FaultCut, again: true, read: span{3, 7}, unread: span{7, 9}}},
	} {
		if got := compareLogs(c.then, c.now); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestNoNewRecordIsSkipped: a record that was written after the log was cut or created again never lies before the
// offset at which the group continues. If the log does not show which records are new, all that may be new are read
// again.
func TestNoNewRecordIsSkipped(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	for at := range int64(12) {
		for cut := range at {
			for end := cut; end < 20; end++ {
				for _, epochs := range []bool{true, false} {
					now := currentLog{id: one, end: end, parted: -1}
					if epochs {
						now.parted = cut
					} else if end >= at {
						continue // nobody can know: brokers without leader epochs must not use offsets again
					}
					v := compareLogs(savedLog{at, true, kafka.LogMark{ID: one, Next: at, End: 15}}, now)
					if v.fault != kafka.FaultCut || v.from > cut && !v.again || v.read.len() == 0 || v.unread.len() != 15-at {
						t.Fatalf("read to %d, cut at %d, goes to %d, epochs %v: %+v", at, cut, end, epochs, v)
					}
				}
			}
		}
		if v := compareLogs(savedLog{at, true, kafka.LogMark{ID: one, Next: at, End: 15}}, currentLog{two, 0, at + 5, at + 5}); v.from != 0 || v.fault != kafka.FaultRecreated {
			t.Fatalf("read to %d, made again: %+v", at, v)
		}
	}
}

func TestLostStateIsNoticed(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	had := kafka.LogMark{ID: one, Next: 3, End: 8}
	for name, c := range map[string]struct {
		then kafka.LogMark
		now  currentLog
		lost bool
	}{
		"it has grown":              {had, currentLog{id: one, end: 20}, false},
		"compaction moved its head": {had, currentLog{id: one, start: 12, end: 20}, false},
		"nothing was written yet":   {kafka.LogMark{ID: one}, currentLog{id: one}, false},
		"it was emptied":            {had, currentLog{id: one, start: 20, end: 20}, true},
		"it was cut":                {had, currentLog{id: one, end: 7}, true},
		"the topic was made again":  {had, currentLog{id: two, end: 20}, true},
	} {
		if got := stateLost(c.then, c.now); got != c.lost {
			t.Errorf("%s: lost is %v", name, got)
		}
	}
}
