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
	liveAt       time.Time // when the last live record came
}

const (
	pollRecordsMax = 2000
	// liveRecent is how long live messages are expected after one came.
	liveRecent = 5 * time.Second
	// bulkBesideLive is how long a transaction works on bulk while live messages are expected.
	bulkBesideLive = 10 * time.Millisecond
)

// polled takes what a poll brought: the live records, and those that are left in the log.
func (l *lanes) polled(now time.Time, live int, lag int64) {
	if live > 0 {
		l.liveAt = now
	}
	switch {
	case lag > l.liveLagMax:
		l.behind = true
	case lag <= l.liveLagMax/2:
		l.behind = false
	}
}

// bulk says how much bulk the next transaction may take: bytes, and for how long (0: any time).
func (l *lanes) bulk(now time.Time) (bytes int64, length time.Duration) {
	switch {
	case l.behind:
		return 0, 0
	case !l.liveAt.IsZero() && now.Sub(l.liveAt) < liveRecent:
		return l.bulkBytesMax, bulkBesideLive
	}
	return l.bulkBytesMax, 0
}

// quantum is the bulk work of one transaction. Its first piece is always done: a long chunk would never leave
// otherwise. Then it ends when its bytes or its time are used up, or something live waits.
type quantum struct {
	bytes   atomic.Int64
	until   time.Time // zero: any time
	now     func() time.Time
	waiting func() bool // something live waits
	begun   atomic.Bool
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
