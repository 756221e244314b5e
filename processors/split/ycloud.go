package split

import (
	"bytes"
)

// YCloud sends one event a message: {id, type, apiVersion, createTime, …} with the message in
// whatsappInboundMessage (from the WhatsApp user) or whatsappMessage (from the business). A history
// event copies phase and progress of the chunk that it came from, never its chunk_order, and has no
// message at all when the chunk was empty. Numbers are written with a plus, dates as RFC 3339.
//
// The types, and what of Meta's they are said as:
//
//	whatsapp.smb.history                 history: one element without a chunk_order, of one thread of one message, or none
//	whatsapp.smb.message.echoes,
//	whatsapp.echo_message.created        smb_message_echoes: whatsappMessage
//	whatsapp.inbound_message.received    messages: whatsappInboundMessage
//	whatsapp.message.updated             messages: the status of whatsappMessage
//	whatsapp.smb.app.state.sync          smb_app_state_sync: whatsappSmbAppStateSync.stateSync[]
//	whatsapp.business_account.updated    account_update: event is whatsappBusinessAccount.updateEvent
//	whatsapp.business_account.deleted    account_update: event is ACCOUNT_DELETED

const (
	cloudTypePrefix   = "whatsapp."
	cloudTypeContacts = "whatsapp.smb.app.state.sync"
	cloudKeyPrefix    = "whatsapp" // of the member that holds what the event is about
)

// Fields that YCloud's types are said as, never written to.
var (
	historyField  = []byte(fieldHistory)
	contactsField = []byte(fieldContacts)
	accountField  = []byte("account_update")
	deletedEvent  = []byte("ACCOUNT_DELETED")
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
	account cloudAccount
	book    cloudBook
	change  Change
	end     regionEnd // of what the event is about, but for messages, which are one with it
}

// cloudAccount is whatsappBusinessAccount.
type cloudAccount struct{ id, event []byte }

// cloudBook is whatsappSmbAppStateSync.
type cloudBook struct {
	number []byte
	items  []ContactItem
}

// cloudMessage is a message in YCloud's words.
type cloudMessage struct {
	raw                            []byte
	wamid, id, waba                []byte
	from, to, kind, status         []byte
	fromUser, fromParent           []byte
	toUser, toParent               []byte
	recipientUser, recipientParent []byte // another event's words for them
	profile, name, username        []byte // customerProfile: of the user
	sentAt, created                int64
	deliveredAt, readAt, updatedAt int64
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
	var about cloudAbout
	switch string(key) {
	case "whatsappSmbAppStateSync":
		outer, odd := s.begin(regionCloud, 0)
		i = s.cloudAbout(i, &about, &e.book.items)
		e.end = s.leave(outer, odd)
		e.book.number = about.number
	case "whatsappBusinessAccount":
		i = s.cloudAbout(i, &about, nil)
		e.account = cloudAccount{about.id, about.event}
	default:
		i = s.cloudAbout(i, &about, nil)
	}
	if w := about.waba; len(w) > 0 && (len(e.other) == 0 || bytes.Compare(w, e.other) < 0) {
		e.other = w
	}
	return i
}

// cloudAbout is what an event without a message is about.
type cloudAbout struct{ waba, id, event, number []byte }

// cloudAbout reads it, and its stateSync[] where items is set.
func (s *Scanner) cloudAbout(i int, about *cloudAbout, items *[]ContactItem) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch {
		case string(o.key) == "wabaId":
			i = s.id(i, &about.waba)
		case string(o.key) == "id":
			i = s.id(i, &about.id)
		case string(o.key) == "updateEvent":
			i = s.text(i, &about.event)
		case string(o.key) == "phoneNumber":
			i = s.id(i, &about.number)
		case string(o.key) == "stateSync" && items != nil:
			i = s.stateSyncArray(i, items)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) cloudMessage(i int, m *cloudMessage) int {
	start := i
	var o object
	i = s.enter(i)
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
		case "deliverTime":
			i = s.date(i, &m.deliveredAt)
		case "readTime":
			i = s.date(i, &m.readAt)
		case "updateTime":
			i = s.date(i, &m.updatedAt)
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
	var p Profile
	start := i
	i = s.profileNames(i, &p)
	if i > 0 {
		m.profile, m.name, m.username = s.in[start:i:i], p.Name, p.Username
	}
	return i
}

// profiled adds what a message says of its user, whom it names by these ids, to the profiles of its change. It fails when the
// limit on items is reached.
func (s *Scanner) profiled(c *Change, of *cloudMessage, number, user, parent []byte) bool {
	if of.profile == nil {
		return true
	}
	p, ok := room(s, &s.profiles, 0)
	if !ok {
		return false
	}
	*p = Profile{Raw: of.profile, Name: of.name, Username: of.username, WaID: withoutPlus(number), UserID: user, ParentUserID: parent}
	c.Profiles = since(s.profiles, len(s.profiles)-1-len(c.Profiles))
	return true
}

// assembleCloud says the event in the words of Meta's fields, or passes on another event as it is. It fails when the
// limit on items is reached.
func (s *Scanner) assembleCloud() bool {
	e := &s.root.cloud
	waba := orElse(orElse(e.waba, e.inbound.waba), orElse(e.sent.waba, e.other))
	e.change = Change{
		Field: e.kind, Raw: s.root.raw, Value: s.root.raw,
		EntryID: waba, WABA: waba, EntryTime: e.created,
	}
	c := &e.change
	switch string(e.kind) {
	case "whatsapp.smb.history":
		c.Field = historyField
		return s.cloudHistory(c)
	case "whatsapp.smb.message.echoes", "whatsapp.echo_message.created":
		return s.cloudItem(c, echoesField, &c.Echoes, &e.sent, e.sent.from)
	case "whatsapp.inbound_message.received":
		return s.cloudItem(c, messagesField, &c.Messages, &e.inbound, e.inbound.to)
	case "whatsapp.message.updated":
		if !s.cloudItem(c, messagesField, &c.Statuses, &e.sent, e.sent.from) {
			return false
		}
		for i := range c.Statuses {
			c.Statuses[i] = e.sent.asStatus(&c.Statuses[i])
		}
	case cloudTypeContacts:
		c.named(e.book.number)
		if len(e.book.items) > 0 || s.cutting.cut > 0 || s.isOdd() {
			c.Field = contactsField
		}
		for i := range e.book.items {
			e.book.items[i].PhoneNumber = withoutPlus(e.book.items[i].PhoneNumber)
		}
		c.StateSync = e.book.items
	case "whatsapp.business_account.updated", "whatsapp.business_account.deleted":
		c.WABA = orElse(waba, e.account.id)
		c.EntryID = c.WABA
		if string(e.kind) == "whatsapp.business_account.deleted" {
			e.account.event = deletedEvent
		}
		if len(e.account.event) > 0 {
			c.Field, c.AccountEvent = accountField, e.account.event
		}
	}
	return true
}

// named names the business's number. YCloud names it by the number alone, so that has to be the id, too.
func (c *Change) named(number []byte) {
	c.DisplayPhoneNumber = orElse(c.DisplayPhoneNumber, withoutPlus(number))
	c.PhoneNumberID = c.DisplayPhoneNumber
}

// cloudItem makes an event's message, where it has one, the one item of dst, under a field.
func (s *Scanner) cloudItem(c *Change, field []byte, dst *[]Message, from *cloudMessage, own []byte) bool {
	if from.raw == nil {
		return true
	}
	c.Field = field
	m, ok := room(s, &s.messages, 0)
	if !ok {
		return false
	}
	*m = from.message()
	if len(from.fromParent) > 0 {
		s.namesOf(m).FromParentUserID = from.fromParent
	}
	if len(from.toParent) > 0 {
		names := s.namesOf(m)
		names.ToParentUserID, names.RecipientParentUserID = from.toParent, from.toParent
	}
	c.named(own)
	*dst = since(s.messages, len(s.messages)-1)
	if from == &s.root.cloud.inbound {
		return s.profiled(c, from, from.from, from.fromUser, from.fromParent)
	}
	return s.profiled(c, from, from.to, from.toUser, from.toParent)
}

// message says a message in Meta's words.
func (from *cloudMessage) message() Message {
	m := Message{
		Raw: from.raw, ID: orElse(from.wamid, from.id),
		From: withoutPlus(from.from), To: withoutPlus(from.to),
		FromUserID: from.fromUser, ToUserID: from.toUser,
		Type: from.kind, Status: from.status, Timestamp: from.sentAt,
	}
	if m.Timestamp == 0 {
		m.Timestamp = from.created
	}
	return m
}

// asStatus says a message whose status changed in Meta's words for statuses: when it did, and for whom.
func (from *cloudMessage) asStatus(m *Message) Message {
	at := from.updatedAt
	switch string(from.status) {
	case "sent":
		at = from.sentAt
	case "delivered":
		at = from.deliveredAt
	case "read":
		at = from.readAt
	}
	for _, other := range [...]int64{from.updatedAt, from.created} {
		if at == 0 {
			at = other
		}
	}
	return Message{
		Raw: m.Raw, ID: m.ID, Status: m.Status, Timestamp: at, RecipientID: m.To, RecipientUserID: m.ToUserID, Names: m.Names,
	}
}

func (s *Scanner) cloudHistory(c *Change) bool {
	e := &s.root.cloud
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
		c.named(own)
		if !s.cloudThread(c, m, m == &e.sent) {
			return false
		}
	}
	element.Threads = since(s.threads, threads)
	c.History = since(s.elements, elements)
	return true
}

func (s *Scanner) cloudThread(c *Change, from *cloudMessage, sent bool) bool {
	t, ok := room(s, &s.threads, 0)
	if !ok {
		return false
	}
	m, ok := room(s, &s.messages, 0)
	if !ok {
		return false
	}
	*m = from.message()
	t.Username = from.username
	if sent {
		m.FromMe = FromMeTrue
		t.ID, t.UserID, t.ParentUserID = m.To, from.toUser, from.toParent
	} else {
		m.FromMe = FromMeFalse
		t.ID, t.UserID, t.ParentUserID = m.From, from.fromUser, from.fromParent
	}
	t.Messages = since(s.messages, len(s.messages)-1)
	return s.profiled(c, from, t.ID, t.UserID, t.ParentUserID)
}

// withoutPlus is a number as Meta writes it.
func withoutPlus(number []byte) []byte {
	if len(number) > 0 && number[0] == '+' {
		return number[1:]
	}
	return number
}
