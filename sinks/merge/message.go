package merge

import (
	"encoding/base64"
	"strings"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/schemas"
)

// MessageKey names a message.
type MessageKey struct{ Number, WAMID string }

// Message is a row of messages. It is visible when it has content; before, its other registers wait for that.
type Message struct {
	MessageKey
	Content Content
	Edit    Version // the newest one
	Revoke  Version
	Media   Version // the asset of a placeholder
	Receipt Receipt // but for groups, where each participant has its own
}

// Content is what a message is about, by the event that says it best.
type Content struct {
	Order     Order
	EventID   string // ce_id
	Kind      string // message, placeholder, system, or one that is unknown here
	Type      string
	Thread    string // as the event names it
	Chat      string // the thread in the one spelling by which all spellings of a number are found
	Group     string
	WaID      string // of the user on the other side; in a group, of the participant
	UserID    string
	Direction string
	From, To  string
	At        int64 // Unix seconds; 0: the webhook had none
	// SortAt is At, or the time of receipt where there is none.
	SortAt     int64
	Historical bool
	Standby    bool
	Window     int32  // the onboarding window of a message of the past
	Text       string // what a person reads of it, cleaned
	Original   string // verbatim
}

// Version is an edit, a revoke, an asset or a failure.
type Version struct {
	Order    Order
	EventID  string
	At       int64
	Type     string
	Text     string // cleaned
	Original string // verbatim
}

// Receipt is the fate of a message. Times are Unix seconds, 0 where they are not known.
type Receipt struct {
	Status                                string // the furthest one: see levelOf
	SentAt, DeliveredAt, ReadAt, PlayedAt int64
	Failed                                Version
}

// Visible reports whether the message has content.
func (m *Message) Visible() bool { return m.Content.Order != "" }

// Join takes over what is newer in another state of the row, and reports whether anything was.
func (m *Message) Join(o *Message) bool {
	changed := o.Content.Order > m.Content.Order
	if changed {
		m.Content = o.Content
	}
	edit, revoke, media, receipt := m.Edit.join(&o.Edit), m.Revoke.join(&o.Revoke), m.Media.join(&o.Media), m.Receipt.join(&o.Receipt)
	return changed || edit || revoke || media || receipt
}

func (v *Version) join(o *Version) bool {
	if o.Order <= v.Order {
		return false
	}
	*v = *o
	return true
}

func (r *Receipt) join(o *Receipt) bool {
	before := *r
	if further(o.Status, r.Status) {
		r.Status = o.Status
	}
	r.SentAt, r.DeliveredAt = earliest(r.SentAt, o.SentAt), earliest(r.DeliveredAt, o.DeliveredAt)
	r.ReadAt, r.PlayedAt = earliest(r.ReadAt, o.ReadAt), earliest(r.PlayedAt, o.PlayedAt)
	r.Failed.join(&o.Failed)
	return *r != before
}

func earliest(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return max(b, 0)
	}
	return a
}

// The levels of statuses: they only go forward.
const (
	levelNone = iota
	levelOther
	levelPending
	levelSent
	levelDelivered
	levelRead
	levelPlayed
)

func levelOf(status string) int {
	switch status {
	case "":
		return levelNone
	case "pending":
		return levelPending
	case "sent":
		return levelSent
	case "delivered":
		return levelDelivered
	case "read":
		return levelRead
	case "played":
		return levelPlayed
	}
	return levelOther
}

func further(a, b string) bool {
	x, y := levelOf(a), levelOf(b)
	return x > y || x == y && a > b
}

// StatusOrder is the order of the status, for targets that join in the database: the further status has the greater one.
func (r *Receipt) StatusOrder() Order {
	if r.Status == "" {
		return ""
	}
	return Order(append([]byte{byte(levelOf(r.Status))}, r.Status...))
}

// receiptOf is what one status says, which was told at a time.
func receiptOf(m *schemas.Message, at int64, id string, digest uint64) (r Receipt) {
	status := clean(strings.ToLower(m.Status))
	switch status {
	case "failed", "error":
		r.Failed = Version{Order: ofTime(at, digest), EventID: id, At: at, Type: status, Original: view(m.Original)}
		return r
	case "sent":
		r.SentAt = at
	case "delivered":
		r.DeliveredAt = at
	case "read":
		r.ReadAt = at
	case "played":
		r.PlayedAt = at
	}
	r.Status = status
	return r
}

// ChatOf is a thread in the spelling by which all are found.
func ChatOf(thread string) string {
	canonical, _ := identity.AppendCanonical(make([]byte, 0, 32), bytesOf(thread))
	if string(canonical) == thread {
		return thread
	}
	return string(canonical)
}

// placeholderOf is the wamid of the placeholder of an asset: its own one, or, where that holds the business-scoped id of the user while
// the chat is known by a phone number, the one that holds the number.
func placeholderOf(m *schemas.Message) string {
	if m.Joined == nil || !*m.Joined || m.GroupID != "" || !identity.IsPhone(bytesOf(m.Thread)) {
		return m.WAMID
	}
	w, ok := schemas.ParseWAMID(bytesOf(m.WAMID))
	if !ok || identity.IsPhone(w.User()) {
		return m.WAMID
	}
	const prefix, userAt = "wamid.", 3
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimPrefix(m.WAMID, prefix), "="))
	if err != nil || len(raw) < userAt+len(w.User()) || len(m.Thread) > 0x7f {
		return m.WAMID
	}
	scoped := append(raw[:2:2], byte(len(m.Thread)))
	scoped = append(append(scoped, m.Thread...), raw[userAt+len(w.User()):]...)
	return prefix + base64.StdEncoding.EncodeToString(scoped)
}
