package doctor

import (
	"fmt"
	"time"
)

// Differences of clocks. Waits of history are minutes, so seconds do no harm; a record that is dated in the
// future makes time pass too early for its partition.
const (
	clockWarn = 5 * time.Second
	clockFail = time.Minute
)

// judgeClocks knows three clocks beside its own: every HTTP response has the time of its process; a raw
// record bears its ingress's and an open transaction its coordinator's, and those two show only that a
// clock is ahead: a time in the past may be that of an old record.
func judgeClocks(f *Facts, fr *finder) {
	seen := 0
	add := func(on, what string, ahead time.Duration) {
		seen++
		off := ahead.Abs()
		if off < clockWarn {
			return
		}
		direction := "ahead of"
		if ahead < 0 {
			direction = "behind"
		}
		fr.add(or(off >= clockFail, Fail, Warn), on, "Look at NTP on both machines.", "%s is %s %s this machine's clock", what, ageText(off), direction)
	}
	for _, p := range f.Processes {
		if p.Err == nil && p.Timed {
			add(p.URL, "its clock", p.Ahead)
		}
	}
	for _, n := range f.Newest {
		add(fmt.Sprintf("%s/%d", n.Topic, n.Partition), "the newest record", max(n.At.Sub(f.Now), 0))
	}
	for _, x := range f.Transactions.Open {
		add("transactional id "+x.ID, "the begin of the transaction", max(x.Started.Sub(f.Now), 0))
	}
	if seen == 0 {
		fr.add(Skip, "", "", "nothing to compare with: no process answers, and the raw topics are empty")
		return
	}
	fr.fine("", "%s of clocks, each with a difference below %s (records and transactions show only a clock that is ahead)", counted(seen, "comparison"), ageText(clockWarn))
}
