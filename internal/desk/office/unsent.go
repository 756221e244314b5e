package office

import (
	"time"

	"github.com/coexstream/coexstream/internal/desk"
)

// unsent is an attempt whose intent may be in the log, and whose request was not sent.
type unsent struct{ attempt, after string }

// attemptAfter returns the attempt for the next intent of a number. It stays the same until another entry counts. So each copy of the
// intent in the log is known as unsent.
func (o *Office) attemptAfter(n *desk.Number) string {
	o.state.Lock()
	defer o.state.Unlock()
	u, ok := o.unsent[n.ID]
	if !ok || u.after != n.Last {
		u = unsent{randomID(), n.Last}
		o.unsent[n.ID] = u
	}
	return u.attempt
}

// elapsed returns the time since t by the clock of the process or by that of the calendar. The first one stands still while a machine is
// suspended.
func elapsed(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}
