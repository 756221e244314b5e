package split

import (
	"bytes"
)

// YCloud sends one event a message: {id, type, apiVersion, createTime, …} with the message in
// whatsappInboundMessage (from the WhatsApp user) or whatsappMessage (from the business). A history
// event copies phase and progress of the chunk that it came from, never its chunk_order, and has no
// message at all when the chunk was empty. Numbers are written with a plus, dates as RFC 3339.

const (
	cloudTypePrefix  = "whatsapp."
	cloudTypeHistory = "whatsapp.smb.history"
	cloudKeyPrefix   = "whatsapp" // of the member that holds what the event is about
)

// cloudEvent is the root read as YCloud's envelope.
type cloudEvent struct {
	kind    []byte // type
	waba    []byte
	created int64
	element HistoryElement
	inbound cloudMessage
	sent    cloudMessage
	other   []byte // the wabaId of another member whatsapp…; of several, the least
	change  Change
}

// cloudMessage is a message in YCloud's words.
type cloudMessage struct {
	raw                            []byte
	wamid, id, waba                []byte
	from, to, kind, status         []byte
	fromUser, fromParent           []byte
	toUser, toParent               []byte
	recipientUser, recipientParent []byte // another event's words for them
	username                       []byte
	sentAt, created                int64
}

func (e *cloudEvent) isOurs() bool { return bytes.HasPrefix(e.kind, []byte(cloudTypePrefix)) }

func isCloudMember(key []byte) bool {
	switch string(key) {
	case "type", "phase", "progress", "createTime", "wabaId":
		return true
	}
	return len(key) > len(cloudKeyPrefix) && string(key[:len(cloudKeyPrefix)]) == cloudKeyPrefix
}

func (s *Scanner) cloudMember(i int, key []byte) int {
	e := &s.root.cloud
	switch string(key) {
	case "type":
		return s.text(i, &e.kind)
	case "phase":
		return s.ordinal(i, &e.element.Phase, &e.element.HasPhase)
	case "progress":
		return s.ordinal(i, &e.element.Progress, &e.element.HasProgress)
	case "createTime":
		return s.date(i, &e.created)
	case "wabaId":
		return s.id(i, &e.waba)
	}
	if s.in[i] != '{' {
		return s.skip(i)
	}
	switch string(key) {
	case "whatsappInboundMessage":
		return s.cloudMessage(i, &e.inbound)
	case "whatsappMessage":
		return s.cloudMessage(i, &e.sent)
	}
	var other cloudMessage // of another event: only whom it is about counts
	i = s.cloudMessage(i, &other)
	if w := other.waba; len(w) > 0 && (len(e.other) == 0 || bytes.Compare(w, e.other) < 0) {
		e.other = w
	}
	return i
}

func (s *Scanner) cloudMessage(i int, m *cloudMessage) int {
	start := i
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "wamid":
			i = s.id(i, &m.wamid)
		case "id":
			i = s.id(i, &m.id)
		case "wabaId":
			i = s.id(i, &m.waba)
		case "from":
			i = s.id(i, &m.from)
		case "to":
			i = s.id(i, &m.to)
		case "type":
			i = s.text(i, &m.kind)
		case "status":
			i = s.text(i, &m.status)
		case "fromUserId":
			i = s.id(i, &m.fromUser)
		case "fromParentUserId":
			i = s.id(i, &m.fromParent)
		case "toUserId":
			i = s.id(i, &m.toUser)
		case "toParentUserId":
			i = s.id(i, &m.toParent)
		case "recipientUserId":
			i = s.id(i, &m.recipientUser)
		case "parentRecipientUserId":
			i = s.id(i, &m.recipientParent)
		case "sendTime":
			i = s.date(i, &m.sentAt)
		case "createTime":
			i = s.date(i, &m.created)
		case "customerProfile":
			if s.in[i] == '{' {
				i = s.cloudProfile(i, m)
			} else {
				i = s.skip(i)
			}
		default:
			i = s.skip(i)
		}
	}
	if i > 0 {
		m.raw = s.in[start:i:i]
		m.toUser, m.toParent = orElse(m.toUser, m.recipientUser), orElse(m.toParent, m.recipientParent)
	}
	return i
}

func (s *Scanner) cloudProfile(i int, m *cloudMessage) int {
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		if string(o.key) == "username" {
			i = s.text(i, &m.username)
		} else {
			i = s.skip(i)
		}
	}
}

// historyField is never written to.
var historyField = []byte("history")

// assembleCloud says the event in the words of Meta's history, or passes on another event as it is. It
// fails when the limit on items is reached.
func (s *Scanner) assembleCloud() bool {
	e := &s.root.cloud
	waba := orElse(orElse(e.waba, e.inbound.waba), orElse(e.sent.waba, e.other))
	e.change = Change{
		Field: e.kind, Raw: s.root.raw, Value: s.root.raw,
		EntryID: waba, WABA: waba, EntryTime: e.created,
	}
	if string(e.kind) != cloudTypeHistory {
		return true
	}
	c := &e.change
	c.Field = historyField
	elements, threads := len(s.elements), len(s.threads)
	element, ok := room(s, &s.elements, 0)
	if !ok {
		return false
	}
	*element = e.element
	element.Raw = s.root.raw
	for _, m := range [...]*cloudMessage{&e.inbound, &e.sent} {
		if m.raw == nil {
			continue
		}
		own := m.to
		if m == &e.sent {
			own = m.from
		}
		// The event names the business's number by the number alone, so it has to be the id, too.
		c.DisplayPhoneNumber = orElse(c.DisplayPhoneNumber, withoutPlus(own))
		c.PhoneNumberID = c.DisplayPhoneNumber
		if !s.cloudThread(m, m == &e.sent) {
			return false
		}
	}
	element.Threads = since(s.threads, threads)
	c.History = since(s.elements, elements)
	return true
}

func (s *Scanner) cloudThread(from *cloudMessage, sent bool) bool {
	t, ok := room(s, &s.threads, 0)
	if !ok {
		return false
	}
	m, ok := room(s, &s.messages, 0)
	if !ok {
		return false
	}
	*m = Message{
		Raw: from.raw, ID: orElse(from.wamid, from.id),
		From: withoutPlus(from.from), To: withoutPlus(from.to),
		FromUserID: from.fromUser, ToUserID: from.toUser,
		Type: from.kind, Status: from.status, Timestamp: from.sentAt,
	}
	if m.Timestamp == 0 {
		m.Timestamp = from.created
	}
	t.Username = from.username
	if sent {
		m.FromMe = FromMeTrue
		t.ID, t.UserID, t.ParentUserID = m.To, from.toUser, from.toParent
	} else {
		m.FromMe = FromMeFalse
		t.ID, t.UserID, t.ParentUserID = m.From, from.fromUser, from.fromParent
	}
	t.Messages = since(s.messages, len(s.messages)-1)
	return true
}

// withoutPlus is a number as Meta writes it.
func withoutPlus(number []byte) []byte {
	if len(number) > 0 && number[0] == '+' {
		return number[1:]
	}
	return number
}
