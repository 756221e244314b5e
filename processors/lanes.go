package processors

import (
	"sync/atomic"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// beforeBulk are the inputs that go before bulk, in the order in which they are worked on.
var beforeBulk = [...]schemas.Topic{schemas.TopicRawLive, schemas.TopicRerouted}

// lanes decides how much bulk a transaction takes, so that live messages come first. It is a function of what polls
// brought and of the time.
type lanes struct {
	liveLagMax   int64 // records
	bulkBytesMax int64
	behind       bool      // live has a backlog
	liveAt       time.Time // when the last live record was written
	bulkAt       time.Time // when bulk had room the last time
	ending       time.Duration
}

const (
	pollRecordsMax = 2000
	// liveRecent is how long live messages are expected after one was written.
	liveRecent = 5 * time.Second
	// bulkRecent is how long bulk counts as being worked on after it had its turn.
	bulkRecent = time.Second
	// bulkPatience is how long bulk waits while one poll after the other brings something live.
	bulkPatience = 50 * time.Millisecond
	// While live messages are expected a transaction works on bulk for half as long as it takes to end one: so a third
	// of the time is work at least, and a live message waits for little more than it does on an idle system.
	bulkBesideLiveMin, bulkBesideLiveMax = 500 * time.Microsecond, 25 * time.Millisecond
)

// polled takes what a poll brought: when the newest of its live records was written (zero: there is none), and how
// many are left in the log. What was written long ago, and is read only now, tells nothing of what comes next.
func (l *lanes) polled(now, newest time.Time, lag int64) {
	if newest.After(now) {
		newest = now
	}
	if newest.After(l.liveAt) {
		l.liveAt = newest
	}
	switch {
	case lag > l.liveLagMax:
		l.behind = true
	case lag <= l.liveLagMax/2:
		l.behind = false
	}
}

// ended takes how long it took to end a transaction, from when its work was done.
func (l *lanes) ended(took time.Duration) {
	if l.ending == 0 {
		l.ending = took
	}
	l.ending = (7*l.ending + took) / 8
}

// bulk says how much bulk a transaction may take that has something live in hand, or has not: bytes, and for how long
// (0: any time).
func (l *lanes) bulk(now time.Time, inHand bool) (bytes int64, length time.Duration) {
	switch {
	case l.behind || inHand && now.Sub(l.bulkAt) < bulkPatience:
		return 0, 0
	case l.expected(now):
		return l.bulkBytesMax, min(max(l.ending/2, bulkBesideLiveMin), bulkBesideLiveMax)
	}
	return l.bulkBytesMax, 0
}

// expected tells whether live messages come these days.
func (l *lanes) expected(now time.Time) bool {
	return !l.liveAt.IsZero() && now.Sub(l.liveAt) < liveRecent
}

// shared tells whether live and bulk are worked on side by side these days.
func (l *lanes) shared(now time.Time) bool {
	return l.expected(now) && now.Sub(l.bulkAt) < bulkRecent
}

// workers are how many partitions are worked on at the same time, of so many processors: one is left for what is
// live.
func (l *lanes) workers(now time.Time, processors int) int {
	if l.expected(now) {
		return max(processors-1, 1)
	}
	return processors
}

// quantum is the bulk work of one transaction. Its first piece is always done: a long chunk would never leave
// otherwise. Then it ends when its bytes or its time are used up, or something live waits.
type quantum struct {
	bytes   atomic.Int64
	until   time.Time // zero: any time
	now     func() time.Time
	waiting func() bool // something live waits
	begun   atomic.Bool
	atHand  bool // only what is at hand is worked on
}

// more tells whether another piece may be begun.
func (q *quantum) more() bool {
	if q.bytes.Load() <= 0 {
		return false
	}
	return !q.begun.Swap(true) || (q.until.IsZero() || q.now().Before(q.until)) && !q.waiting()
}

// room tells whether more would, and begins nothing.
func (q *quantum) room() bool { return q.bytes.Load() > 0 && (!q.begun.Load() || q.more()) }

func (q *quantum) took(bytes int) { q.bytes.Add(-int64(bytes)) }
