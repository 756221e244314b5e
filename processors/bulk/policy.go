package bulk

import "time"

// Policy decides how much bulk a transaction may take, so that live messages go first. It is a function of what polls
// returned and of the time passed in. It belongs to the session's goroutine.
type Policy struct {
	LiveLagMax int64     // records of live lag; beyond it bulk waits
	BytesMax   int64     // of bulk in one transaction
	Behind     bool      // live has a backlog
	BulkAt     time.Time // when bulk was processed last
	liveAt     time.Time // when the newest live record was written
	commitTime time.Duration
}

const (
	// LiveRecent is how long live messages are expected after one was written.
	LiveRecent = 5 * time.Second
	// bulkPatience is how long bulk waits while each poll returns live records.
	bulkPatience = 50 * time.Millisecond
	// BesideLiveMax bounds the bulk of a transaction while live messages are expected. Bulk gets half of the time of a commit.
	// So at least a third of the time is work, and a live message waits little longer than on an idle system.
	BesideLiveMax = 25 * time.Millisecond
	besideLiveMin = 500 * time.Microsecond
	// besideLiveItems and aloneItems are what TurnItems returns. An item takes about 10 µs.
	besideLiveItems, aloneItems = 128, 512
)

// Polled takes the result of a poll: when its newest live record was written (zero: it has none), and how many live records
// are left in the log. A record that was written long ago does not make live messages expected.
func (l *Policy) Polled(now, newest time.Time, lag int64) {
	if newest.After(now) {
		newest = now
	}
	if newest.After(l.liveAt) {
		l.liveAt = newest
	}
	switch {
	case lag > l.LiveLagMax:
		l.Behind = true
	case lag <= l.LiveLagMax/2:
		l.Behind = false
	}
}

// Committed takes how long a commit took, from the end of the transaction's work.
func (l *Policy) Committed(took time.Duration) {
	if l.commitTime == 0 {
		l.commitTime = took
	}
	l.commitTime = (7*l.commitTime + took) / 8
}

// Allowance returns the bulk that a transaction may take: bytes, and for how long (0: any time). withLive says that the
// transaction has live records.
func (l *Policy) Allowance(now time.Time, withLive bool) (bytes int64, length time.Duration) {
	switch {
	case l.Behind || withLive && now.Sub(l.BulkAt) < bulkPatience:
		return 0, 0
	case l.LiveExpected(now):
		return l.BytesMax, min(max(l.commitTime/2, besideLiveMin), BesideLiveMax)
	}
	return l.BytesMax, 0
}

// LiveExpected reports whether a live message was written within the last five seconds.
func (l *Policy) LiveExpected(now time.Time) bool {
	return !l.liveAt.IsZero() && now.Sub(l.liveAt) < LiveRecent
}

// TurnItems returns how many items of a body are processed before the budget is looked at again: about a millisecond's work
// while live messages are expected, and about five milliseconds' otherwise.
func (l *Policy) TurnItems(now time.Time) int {
	if l.LiveExpected(now) {
		return besideLiveItems
	}
	return aloneItems
}

// Workers returns how many partitions may process bulk in parallel on so many cores. While live messages are expected, one
// core is left for them.
func (l *Policy) Workers(now time.Time, cores int) int {
	if l.LiveExpected(now) {
		return max(cores-1, 1)
	}
	return cores
}
