package merge

// UnreadMax bounds the count of unread messages.
const UnreadMax = 1000

// Thread is a chat. Its messages are walked through from the newest on: by SortAt, then by wamid.
type Thread struct {
	LastWAMID string
	LastAt    int64
	// Unread counts live messages of the user after the newest message of the business or of the past: the business has
	// seen earlier ones on its phone. UnreadSince is the time of the oldest of them; 0: none.
	Unread      int
	UnreadSince int64
}

// Walk processes the next message, and reports whether it needs another one.
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
