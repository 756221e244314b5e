package merge

// Told is a text, and the receipt of the event that has it.
type Told struct {
	Order Order
	Text  string
}

func (t *Told) join(o *Told) bool {
	if o.Order <= t.Order {
		return false
	}
	*t = *o
	return true
}

// Number is a business phone number.
type Number struct {
	ID      string // phone_number_id
	WABA    Told
	Display Told
	Event   Told // name of the last account event that names the number
}

// Join is like that of Message.
func (n *Number) Join(o *Number) bool {
	waba, display, event := n.WABA.join(&o.WABA), n.Display.join(&o.Display), n.Event.join(&o.Event)
	return waba || display || event
}

// Business is a WhatsApp Business Account.
type Business struct {
	WABA  string
	Event Told // name of its last account event
}

// Join is like that of Message. The first event of a business makes the row.
func (b *Business) Join(o *Business) bool { return b.Event.join(&o.Event) }

// SyncKey names a history sync in one partition. A number without a known WABA has its syncs in another partition
// first. Then the window 0 says up to which record they were withdrawn there.
type SyncKey struct {
	Number    string
	Window    int32
	Partition int32
}

// Sync is the state of a history sync, or the note that the syncs of a number were withdrawn.
type Sync struct {
	SyncKey
	Order     Order
	Removed   bool // of window 0
	WABA      string
	State     string
	EndReason string
	Progress  int32
	Messages  int64
	Held      int64
	OpenedAt  int64 // Unix seconds, like the others; 0: not yet
	LastAt    int64
	EndedAt   int64
	Value     string // the event's value: phases, gaps, errors

	// Of the desk's request; empty or 0: there is none, or it is not known.
	Status            string
	OnboardedAt       int64
	RequestedAt       int64
	RequestDeadlineAt int64
	RequestedBy       string // who requested the history
	ErrorCode         int64  // of a refused history: of the webhook, or of the request
}

// Join is like that of Message.
func (s *Sync) Join(o *Sync) bool {
	if o.Order <= s.Order {
		return false
	}
	*s = *o
	return true
}

// Note is an event that stays as it is: an account event, an error or a handover, a change of an unknown field, a
// message without a wamid.
type Note struct {
	ID       string // ce_id
	Order    Order
	Topic    string
	Kind     string // kind of the message event, name of the account event, or the field
	WABA     string
	Number   string
	Display  string // phone number that an account event names
	Thread   string
	Person   string // as personOf has it
	At       int64  // Unix seconds
	Text     string
	Original string
}

// Join is like that of Message.
func (n *Note) Join(o *Note) bool {
	if o.Order <= n.Order {
		return false
	}
	*n = *o
	return true
}
