package merge

import (
	"encoding/base64"
	"strings"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/schemas"
)

// MessageKey names a message.
type MessageKey struct{ Number, WAMID string }

// Message is a row of messages. It is visible once it has content; until then its other registers wait.
type Message struct {
	MessageKey
	Content Content
	Edit    Version // the newest one
	Revoke  Version
	Media   Version // the asset of a placeholder
	Receipt Receipt // except in groups, where each participant has its own
}

// Content is the content of a message, by the event that describes it best.
type Content struct {
	Order     Order
	EventID   string // ce_id
	Kind      string // message, placeholder, system, or an unknown one
	Type      string
	Thread    string // as in the event
	Chat      string // the thread in the one spelling that represents all spellings of a number
	Group     string
	WaID      string // of the user on the other side; in a group, of the participant
	UserID    string
	Direction string
	From, To  string
	At        int64 // Unix seconds; 0: the webhook had none
	// SortAt is At, or else the time of receipt.
	SortAt     int64
	Historical bool
	Standby    bool
	Window     int32  // the onboarding window of a message of the past
	Text       string // the readable text of it, cleaned
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
	Person   string // as personOf has it; of a failure the receipt has it
}

// Receipt is the delivery state of a message. Times are Unix seconds; 0: unknown.
type Receipt struct {
	Status                                string // the furthest one: see levelOf
	SentAt, DeliveredAt, ReadAt, PlayedAt int64
	Failed                                Version
	// Person is the one of the statuses, as personOf has it. A message of the past has it in its content.
	Person string
}

// Visible reports whether the message has content.
func (m *Message) Visible() bool { return m.Content.Order != "" }

// Join takes newer registers from another state of the row, and reports whether there were any.
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
	r.Person = max(r.Person, o.Person)
	return *r != before
}

func earliest(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return max(b, 0)
	}
	return a
}

// The levels of statuses only rise.
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

// StatusOrder returns the order of the status, for targets that join in the database: the further status has the
// greater order.
func (r *Receipt) StatusOrder() Order {
	if r.Status == "" {
		return ""
	}
	return Order(append([]byte{byte(levelOf(r.Status))}, r.Status...))
}

// receiptOf returns the receipt of one status with its time.
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

// ChatOf returns a thread in the spelling that represents all.
func ChatOf(thread string) string {
	canonical, _ := identity.AppendCanonical(make([]byte, 0, 32), bytesOf(thread))
	if string(canonical) == thread {
		return thread
	}
	return string(canonical)
}

// OtherSpelling returns the second spelling of a phone number; empty: it has none.
func OtherSpelling(id string) string { return string(identity.OtherSpelling(bytesOf(id))) }

// placeholderOf returns the wamid of an asset's placeholder. It is the asset's own, unless that has the user's
// business-scoped id and the chat is known by a phone number. Then it is the wamid with the number.
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
