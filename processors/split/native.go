package split

import (
	"bytes"

	"github.com/coexstream/coexstream/schemas/provider"
)

// A native event is a body in a provider's own words: {type, …, and the object of the event}. Package provider
// defines the meaning of the words, and the fields of Meta's for the types. An event of a type without such a field
// is a change whose Field is the type.

// Fields that native events stand for, never written to.
var (
	historyField  = []byte(fieldHistory)
	contactsField = []byte(fieldContacts)
	accountField  = []byte("account_update")
)

// nativeEvent is the root as a native event.
type nativeEvent struct {
	kind      []byte // type
	versioned bool   // it has the member that only native events have
	waba      []byte
	created   int64
	element   HistoryElement
	inbound   nativeMessage
	sent      [sentMax]nativeMessage
	other     []byte // the WABA of an object that is not a message; of several, the least
	subjects  [subjectsMax]nativeSubject
	change    Change
	end       regionEnd // of the contacts
}

// nativeSubject is the subject of an event without a message.
type nativeSubject struct {
	waba, id, event, number []byte
	items                   []ContactItem
}

// nativeMessage is a message in a provider's own words.
type nativeMessage struct {
	raw                            []byte
	wamid, id, waba                []byte
	from, to, kind, status         []byte
	fromUser, fromParent           []byte
	toUser, toParent               []byte
	recipientUser, recipientParent []byte
	group, original, edit          []byte
	number                         []byte // id of the business's number
	profile, name, username        []byte // of the user
	sentAt, created                int64
	deliveredAt, readAt, updatedAt int64
	statusAt                       int64
	hasErrors, hasContent          bool
	system                         System
	hasSystem                      bool
}

// meaning returns the meaning of the event's type.
func (e *nativeEvent) meaning() nativeType {
	if m := words.types.of(e.kind); m != nil {
		return *m
	}
	return nativeType{}
}

// isNative reports whether the root is a native event.
func (e *nativeEvent) isNative() bool {
	if e.versioned && len(e.kind) > 0 {
		return true
	}
	for _, p := range words.prefixes {
		if len(e.kind) >= len(p) && string(e.kind[:len(p)]) == p {
			return true
		}
	}
	return false
}

// nativeMember reads a member of the root that native events have: w, or an object with another name.
func (s *Scanner) nativeMember(i int, w *rootWord) int {
	e := &s.root.native
	if w.kind == nativeProperty {
		switch w.means {
		case provider.Type:
			return s.text(i, &e.kind)
		case provider.Phase:
			return s.ordinal(i, &e.element.Phase, &e.element.HasPhase)
		case provider.Progress:
			return s.ordinal(i, &e.element.Progress, &e.element.HasProgress)
		case provider.CreatedAt:
			return s.date(i, &e.created)
		case provider.WABA:
			return s.id(i, &e.waba)
		}
	}
	if s.in[i] != '{' {
		e.versioned = e.versioned || w.kind == nativeVersion && s.in[i] != 'n'
		return s.skip(i)
	}
	var about nativeSubject
	switch w.kind {
	case nativeInbound:
		return s.nativeMessage(i, &e.inbound)
	case nativeSent:
		return s.nativeMessage(i, &e.sent[w.at])
	case nativeBook:
		outer, odd := s.begin(regionNative, 0)
		i = s.nativeSubject(i, &about, true)
		e.end = s.leave(outer, odd)
		e.subjects[w.at] = about
	case nativeAbout:
		i = s.nativeSubject(i, &about, false)
		e.subjects[w.at] = about
	default:
		i = s.nativeSubject(i, &about, false)
	}
	if w := about.waba; len(w) > 0 && (len(e.other) == 0 || bytes.Compare(w, e.other) < 0) {
		e.other = w
	}
	return i
}

// isNativeObject reports whether a member of the root is an object of a native event, by the prefix of its name.
func isNativeObject(key []byte) bool {
	for _, prefix := range words.objects {
		if len(key) > len(prefix) && string(key[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

func meaningOf(of *table[provider.Property], name []byte) provider.Property {
	if p := of.of(name); p != nil {
		return *p
	}
	return provider.Skipped
}

// nativeSubject reads the subject of an event, and its contacts if it is a list of them.
func (s *Scanner) nativeSubject(i int, about *nativeSubject, book bool) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch means := meaningOf(&words.subject, o.key); {
		case means == provider.WABA:
			i = s.id(i, &about.waba)
		case means == provider.ID:
			i = s.id(i, &about.id)
		case means == provider.AccountEvent:
			i = s.text(i, &about.event)
		case means == provider.Number:
			i = s.id(i, &about.number)
		case means == provider.ContactChanges && book:
			i = s.stateSyncArray(i, &about.items)
		default:
			i = s.skip(i)
		}
	}
}

func (s *Scanner) nativeMessage(i int, m *nativeMessage) int {
	start := i
	var edited []byte
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		isObject := s.in[i] == '{'
		switch means := meaningOf(&words.message, o.key); {
		case means == provider.WAMID:
			i = s.id(i, &m.wamid)
		case means == provider.ID:
			i = s.id(i, &m.id)
		case means == provider.WABA:
			i = s.id(i, &m.waba)
		case means == provider.From:
			i = s.id(i, &m.from)
		case means == provider.To:
			i = s.id(i, &m.to)
		case means == provider.Type:
			i = s.text(i, &m.kind)
		case means == provider.MessageStatus:
			i = s.text(i, &m.status)
		case means == provider.FromUser:
			i = s.id(i, &m.fromUser)
		case means == provider.FromParent:
			i = s.id(i, &m.fromParent)
		case means == provider.ToUser:
			i = s.id(i, &m.toUser)
		case means == provider.ToParent:
			i = s.id(i, &m.toParent)
		case means == provider.RecipientUser:
			i = s.id(i, &m.recipientUser)
		case means == provider.RecipientParent:
			i = s.id(i, &m.recipientParent)
		case means == provider.Group:
			i = s.id(i, &m.group)
		case means == provider.SentAt:
			i = s.date(i, &m.sentAt)
		case means == provider.CreatedAt:
			i = s.date(i, &m.created)
		case means == provider.DeliveredAt:
			i = s.date(i, &m.deliveredAt)
		case means == provider.ReadAt:
			i = s.date(i, &m.readAt)
		case means == provider.UpdatedAt:
			i = s.date(i, &m.updatedAt)
		case means == provider.StatusAt:
			i = s.date(i, &m.statusAt)
		case means == provider.NumberID:
			i = s.id(i, &m.number)
		case means == provider.Errors:
			at := i
			i = s.skip(i)
			m.hasErrors = i > 0 && anyError(s.in[at:i])
		case means == provider.Profile && isObject:
			i = s.nativeProfile(i, m)
		case means == provider.Revoke && isObject:
			i = s.original(i, &m.original)
		case means == provider.Edit && isObject:
			at := i
			if i = s.original(i, &edited); i > 0 {
				m.edit = s.in[at:i:i]
			}
		case means == provider.System && isObject:
			m.hasSystem = true
			i = s.system(i, &m.system)
		default:
			i = s.skip(i)
		}
	}
	if i > 0 {
		m.raw = s.in[start:i:i]
		m.toUser, m.toParent = orElse(m.toUser, m.recipientUser), orElse(m.toParent, m.recipientParent)
		m.original = orElse(m.original, edited)
		m.hasContent = m.hasErrors && s.hasContent(start, m.kind)
	}
	return i
}

func (s *Scanner) nativeProfile(i int, m *nativeMessage) int {
	var p Profile
	start := i
	i = s.profileNames(i, &p)
	if i > 0 {
		m.profile, m.name, m.username = s.in[start:i:i], p.Name, p.Username
	}
	return i
}

// profiled adds the profile of a message's user, who has these ids, to the profiles of its change. It fails if the
// limit on items is reached.
func (s *Scanner) profiled(c *Change, of *nativeMessage, number, user, parent []byte) bool {
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

// assembleNative makes the event a change of Meta's field, or passes on another event unchanged. It fails if the
// limit on items is reached.
func (s *Scanner) assembleNative() bool {
	e := &s.root.native
	waba := orElse(e.waba, e.inbound.waba)
	for i := range e.sent {
		waba = orElse(waba, e.sent[i].waba)
	}
	waba = orElse(waba, e.other)
	e.change = Change{
		Field: e.kind, Raw: s.root.raw, Value: s.root.raw,
		EntryID: waba, WABA: waba, EntryTime: e.created,
	}
	c, means, sent := &e.change, e.meaning(), e.sentMessage()
	switch means.As {
	case provider.History:
		c.Field = historyField
		return s.nativeHistory(c)
	case provider.Echo:
		return s.nativeItem(c, echoesField, &c.Echoes, sent, sent.from)
	case provider.Message:
		return s.nativeItem(c, messagesField, &c.Messages, &e.inbound, e.inbound.to)
	case provider.Status:
		if !s.nativeItem(c, messagesField, &c.Statuses, sent, sent.from) {
			return false
		}
		for i := range c.Statuses {
			c.Statuses[i] = sent.asStatus(&c.Statuses[i])
		}
	case provider.Contacts:
		book := &e.subjects[means.at]
		c.named(book.number, nil)
		if len(book.items) > 0 || s.cutting.cut > 0 || s.isOdd() {
			c.Field = contactsField
		}
		for i := range book.items {
			book.items[i].PhoneNumber = withoutPlus(book.items[i].PhoneNumber)
		}
		c.StateSync = book.items
	case provider.Account:
		about := &e.subjects[means.at]
		if means.WABA {
			c.WABA = orElse(waba, about.id)
			c.EntryID = c.WABA
		}
		if event := orElse(means.event, about.event); len(event) > 0 {
			c.Field, c.AccountEvent, c.PhoneNumber = accountField, event, withoutPlus(about.number)
		}
	}
	return true
}

// named sets the business's number. Most native events have only the number, so it is the id too. Another id counts
// only if the number is absent.
func (c *Change) named(number, id []byte) {
	c.DisplayPhoneNumber = orElse(c.DisplayPhoneNumber, withoutPlus(number))
	c.PhoneNumberID = orElse(c.DisplayPhoneNumber, orElse(c.PhoneNumberID, id))
}

// sentMessage returns the message of the business.
func (e *nativeEvent) sentMessage() *nativeMessage {
	for i := range e.sent {
		if e.sent[i].raw != nil {
			return &e.sent[i]
		}
	}
	return &e.sent[0]
}

// nativeItem makes the message of an event, if any, the only item of dst, under a field.
func (s *Scanner) nativeItem(c *Change, field []byte, dst *[]Message, from *nativeMessage, own []byte) bool {
	if from.raw == nil {
		return true
	}
	c.Field = field
	m, ok := room(s, &s.messages, 0)
	if !ok {
		return false
	}
	*m = from.message()
	s.rarer(m, from)
	c.named(own, from.number)
	*dst = since(s.messages, len(s.messages)-1)
	if from == &s.root.native.inbound {
		return s.profiled(c, from, from.from, from.fromUser, from.fromParent)
	}
	return s.profiled(c, from, from.to, from.toUser, from.toParent)
}

// rarer sets the ids that few messages have.
func (s *Scanner) rarer(m *Message, from *nativeMessage) {
	if len(from.fromParent) > 0 {
		s.namesOf(m).FromParentUserID = from.fromParent
	}
	if len(from.toParent) > 0 {
		names := s.namesOf(m)
		names.ToParentUserID, names.RecipientParentUserID = from.toParent, from.toParent
	}
	if len(from.group) > 0 {
		s.namesOf(m).GroupID = from.group
	}
	if from.hasSystem {
		s.namesOf(m).System = from.system
	}
}

// message returns a message in Meta's form.
func (from *nativeMessage) message() Message {
	m := Message{
		Raw: from.raw, ID: orElse(from.wamid, from.id),
		From: withoutPlus(from.from), To: withoutPlus(from.to),
		FromUserID: from.fromUser, ToUserID: from.toUser,
		Type: from.kind, Status: from.status, Timestamp: from.sentAt,
		OriginalID: from.original, Edit: from.edit, HasErrors: from.hasErrors, HasContent: from.hasContent,
	}
	if m.Timestamp == 0 {
		m.Timestamp = from.created
	}
	return m
}

// asStatus turns a message with a changed status into a status in Meta's form, with the time of the change and the
// recipient.
func (from *nativeMessage) asStatus(m *Message) Message {
	var own int64
	switch string(from.status) {
	case "sent":
		own = from.sentAt
	case "delivered":
		own = from.deliveredAt
	case "read":
		own = from.readAt
	}
	at := from.statusAt
	for _, other := range [...]int64{own, from.updatedAt, from.created} {
		if at == 0 {
			at = other
		}
	}
	return Message{
		Raw: m.Raw, ID: m.ID, Status: m.Status, Timestamp: at, RecipientID: m.To, RecipientUserID: m.ToUserID, Names: m.Names,
	}
}

func (s *Scanner) nativeHistory(c *Change) bool {
	e := &s.root.native
	elements, threads := len(s.elements), len(s.threads)
	element, ok := room(s, &s.elements, 0)
	if !ok {
		return false
	}
	*element = e.element
	element.Raw = s.root.raw
	sent := e.sentMessage()
	for _, m := range [...]*nativeMessage{&e.inbound, sent} {
		if m.raw == nil {
			continue
		}
		own := m.to
		if m == sent {
			own = m.from
		}
		c.named(own, m.number)
		if !s.nativeThread(c, m, m == sent) {
			return false
		}
	}
	element.Threads = since(s.threads, threads)
	element.declinedByMessages()
	c.History = since(s.elements, elements)
	return true
}

func (s *Scanner) nativeThread(c *Change, from *nativeMessage, sent bool) bool {
	t, ok := room(s, &s.threads, 0)
	if !ok {
		return false
	}
	m, ok := room(s, &s.messages, 0)
	if !ok {
		return false
	}
	*m = from.message()
	if len(from.group) > 0 {
		s.namesOf(m).GroupID = from.group
	}
	if from.hasSystem {
		s.namesOf(m).System = from.system
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
	return s.profiled(c, from, t.ID, t.UserID, t.ParentUserID)
}

// withoutPlus returns a number in Meta's form.
func withoutPlus(number []byte) []byte {
	if len(number) > 0 && number[0] == '+' {
		return number[1:]
	}
	return number
}
