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
		then logThen
		now  logNow
		want verdict
	}{
		"a new group":                            {logThen{at: -1}, logNow{one, 5, 9, -1}, verdict{from: 5}},
		"nothing happened":                       {logThen{7, true, mark(one, 7, 9)}, logNow{one, 5, 9, 9}, verdict{from: 7}},
		"all of it was read":                     {logThen{9, true, mark(one, 9, 9)}, logNow{one, 5, 9, 9}, verdict{from: 9}},
		"committed by an older version":          {logThen{at: 7}, logNow{one, 5, 9, -1}, verdict{from: 7}},
		"brokers without topic ids":              {logThen{7, true, mark([16]byte{}, 7, 9)}, logNow{[16]byte{}, 5, 9, -1}, verdict{from: 7}},
		"retention":                              {logThen{3, true, mark(one, 3, 9)}, logNow{one, 5, 9, 9}, verdict{from: 5, unread: span{3, 5}}},
		"retention of all":                       {logThen{3, true, mark(one, 3, 9)}, logNow{one, 9, 9, -1}, verdict{from: 9, unread: span{3, 9}}},
		"the log was cut":                        {logThen{7, true, mark(one, 7, 9)}, logNow{one, 2, 4, -1}, verdict{from: 4, fault: kafka.FaultCut, again: true, read: span{4, 7}, unread: span{7, 9}}},
		"cut, and committed by an older version": {logThen{at: 7}, logNow{one, 2, 4, -1}, verdict{from: 4, fault: kafka.FaultCut, again: true, read: span{4, 7}, unread: span{7, 7}}},
		"cut, by the same leader":                {logThen{7, true, mark(one, 7, 9)}, logNow{one, 2, 4, 4}, verdict{from: 4, fault: kafka.FaultCut, again: true, read: span{4, 7}, unread: span{7, 9}}},
		"cut of what was not read":               {logThen{7, true, mark(one, 7, 9)}, logNow{one, 2, 8, 8}, verdict{from: 7}},
		"cut, and written on beyond":             {logThen{7, true, mark(one, 7, 9)}, logNow{one, 2, 20, 4}, verdict{from: 4, fault: kafka.FaultCut, read: span{4, 7}, unread: span{7, 9}}},
		"cut before its start":                   {logThen{7, true, mark(one, 7, 9)}, logNow{one, 5, 20, 0}, verdict{from: 5, fault: kafka.FaultCut, read: span{0, 7}, unread: span{7, 9}}},
		"made again, shorter":                    {logThen{7, true, mark(one, 7, 9)}, logNow{two, 0, 3, -1}, verdict{from: 0, fault: kafka.FaultRecreated, read: span{0, 7}, unread: span{7, 9}}},
		"made again, and longer by now":          {logThen{7, true, mark(one, 7, 9)}, logNow{two, 0, 30, 30}, verdict{from: 0, fault: kafka.FaultRecreated, read: span{0, 7}, unread: span{7, 9}}},
		"made again, its offset gone with it":    {logThen{-1, true, mark(one, 7, 9)}, logNow{two, 0, 30, -1}, verdict{from: 0, fault: kafka.FaultRecreated, read: span{0, 7}, unread: span{7, 9}}},
		"made again, and it was empty":           {logThen{0, true, mark(one, 0, 0)}, logNow{two, 0, 3, -1}, verdict{}},
		"its offset is gone alone":               {logThen{-1, true, mark(one, 7, 9)}, logNow{one, 0, 30, -1}, verdict{from: 7, fault: kafka.FaultForgotten}},
		"its offset is gone, and retention came": {logThen{-1, true, mark(one, 7, 9)}, logNow{one, 8, 30, -1}, verdict{from: 8, fault: kafka.FaultForgotten, unread: span{7, 8}}},
		"its offset is gone, and the log is cut": {logThen{-1, true, mark(one, 7, 9)}, logNow{one, 0, 3, -1}, verdict{from: 3, fault: kafka.FaultCut, again: true, read: span{3, 7}, unread: span{7, 9}}},
	} {
		if got := judge(c.then, c.now); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestNoNewRecordIsSkipped: whatever is known, a record that was written after the log was cut or made again lies at the
// offset where the group goes on, or behind it; where the log cannot tell, all of it that may be new is read again.
func TestNoNewRecordIsSkipped(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	for at := range int64(12) {
		for cut := range at {
			for end := cut; end < 20; end++ {
				for _, epochs := range []bool{true, false} {
					now := logNow{id: one, end: end, parted: -1}
					if epochs {
						now.parted = cut
					} else if end >= at {
						continue // nobody can know: brokers without leader epochs must not use offsets again
					}
					v := judge(logThen{at, true, kafka.LogMark{ID: one, Next: at, End: 15}}, now)
					if v.fault != kafka.FaultCut || v.from > cut && !v.again || v.read.len() == 0 || v.unread.len() != 15-at {
						t.Fatalf("read to %d, cut at %d, goes to %d, epochs %v: %+v", at, cut, end, epochs, v)
					}
				}
			}
		}
		if v := judge(logThen{at, true, kafka.LogMark{ID: one, Next: at, End: 15}}, logNow{two, 0, at + 5, at + 5}); v.from != 0 || v.fault != kafka.FaultRecreated {
			t.Fatalf("read to %d, made again: %+v", at, v)
		}
	}
}

func TestLostStateIsNoticed(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	had := kafka.LogMark{ID: one, Next: 3, End: 8}
	for name, c := range map[string]struct {
		then kafka.LogMark
		now  logNow
		lost bool
	}{
		"it has grown":              {had, logNow{id: one, end: 20}, false},
		"compaction moved its head": {had, logNow{id: one, start: 12, end: 20}, false},
		"nothing was written yet":   {kafka.LogMark{ID: one}, logNow{id: one}, false},
		"it was emptied":            {had, logNow{id: one, start: 20, end: 20}, true},
		"it was cut":                {had, logNow{id: one, end: 7}, true},
		"the topic was made again":  {had, logNow{id: two, end: 20}, true},
	} {
		if got := stateLost(c.then, c.now); got != c.lost {
			t.Errorf("%s: lost is %v", name, got)
		}
	}
}
