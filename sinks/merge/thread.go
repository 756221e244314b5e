package merge

// UnreadMax bounds what is counted of unread messages.
const UnreadMax = 1000

// Thread is a chat, of which the messages are walked from the newest on: by SortAt, then by wamid.
type Thread struct {
	LastWAMID string
	LastAt    int64
	// Unread counts live messages of the user behind the newest message that is the business's own, or of the past: the phone of the
	// business has seen those. UnreadSince is the time of the oldest of them, 0 where there is none.
	Unread      int
	UnreadSince int64
}

// Walk takes the next message, and reports whether it wants another one.
func (t *Thread) Walk(wamid, direction string, historical bool, sortAt int64) (more bool) {
	if t.LastWAMID == "" {
		t.LastWAMID, t.LastAt = wamid, sortAt
	}
	if historical || direction != "inbound" || t.Unread == UnreadMax {
		return false
	}
	t.Unread++
	t.UnreadSince = sortAt
	return true
}
