package people

import (
	"cmp"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// chat is a thread of a history chunk: the common part of its messages.
type chat struct {
	change  *split.Change
	display []byte // digits of the business's number; nil: not known
	thread  *split.Thread
	user    person // of the thread's context, and of its id
	byID    person // of the thread's id alone, possibly of another kind or spelling
	self    bool   // the user is the business
	group   []byte // the thread is a group
	side    Side
}

// Chat begins a thread of a chunk. Past then concerns the messages of it.
func (f *Finder) Chat(c *split.Change, display []byte, t *split.Thread) {
	f.chat = chat{change: c, display: digitsOf(display), thread: t}
	h := &f.chat
	if h.group = groupOfThread(t); len(h.group) > 0 {
		return // each message names its sender
	}
	h.byID = personOf(t.ID, nil, nil)
	h.user = personOf(t.WaID, t.UserID, t.ParentUserID)
	if samePhone(h.byID.phone, h.display) || samePhone(h.user.phone, h.display) {
		h.passOverBusiness()
	}
	if len(h.byID.phone) > 0 || identity.IsUserID(h.byID.user) {
		h.user.or(h.byID)
	}
	if !h.user.named() && !h.byID.named() {
		h.user = h.userOfMessages()
	}
	if !h.user.named() {
		return // each message names its people
	}
	h.self = samePhone(h.user.phone, h.display)
	f.describe(&h.side, h, &h.user, &f.ofChat)
	h.side.Thread = cmp.Or(text(h.byID.phone), h.side.Contact.WaID, h.side.Contact.UserID, h.side.Contact.ParentUserID)
}

// groupOfThread returns the group of a thread. An id of unknown form is a group if a message is to that id, and the
// thread has no user.
func groupOfThread(t *split.Thread) []byte {
	switch {
	case len(identity.Named(t.GroupID)) > 0:
		return t.GroupID
	case identity.IsGroupID(t.ID):
		return t.ID
	case identity.IsGroupID(t.WaID):
		return t.WaID
	case identity.IsGroupID(t.UserID):
		return t.UserID
	case !identity.IsUnknown(t.ID) || len(t.WaID)+len(t.UserID)+len(t.ParentUserID) > 0:
		return nil
	}
	for i := range t.Messages {
		if equal(t.Messages[i].To, t.ID) {
			return t.ID
		}
	}
	return nil
}

// passOverBusiness removes the business's own number as the id of a thread with another person. A chat of the business
// with itself keeps it.
func (h *chat) passOverBusiness() {
	byID, user := h.byID, h.user
	if samePhone(byID.phone, h.display) {
		byID = person{}
	}
	if samePhone(user.phone, h.display) {
		user.phone = nil
	}
	if byID.named() || user.named() || h.namesAnother() {
		h.byID, h.user = byID, user
	}
}

// namesAnother reports whether a message of the thread is from or to anybody but the business.
func (h *chat) namesAnother() bool {
	for i := range h.thread.Messages {
		msg := &h.thread.Messages[i]
		names := namesOf(msg)
		group := groupOf(msg, names)
		for _, p := range [...]person{senderOf(msg, names, group), receiverOf(msg, names, group), changedUser(names, person{})} {
			if p.named() && !samePhone(p.phone, h.display) {
				return true
			}
		}
	}
	return false
}

// userOfMessages returns the user of a thread that names nobody, if all its messages have the same one.
func (h *chat) userOfMessages() (user person) {
	for i := range h.thread.Messages {
		msg := &h.thread.Messages[i]
		names := namesOf(msg)
		if len(groupOf(msg, names)) > 0 {
			continue
		}
		from, to := senderOf(msg, names, nil), receiverOf(msg, names, nil)
		p := participant(h.directionOf(msg, &from, &to), from, to)
		if p.named() && user.named() && !p.is(&user) {
			return person{}
		}
		user.or(p)
	}
	return user
}

// describe sets the contact of a message of a chat.
func (f *Finder) describe(s *Side, h *chat, p *person, profiles *[]byte) {
	f.contact(s, h.change, h.display, p, profiles)
	s.Contact.Username = cmp.Or(text(h.thread.Username), s.Contact.Username)
	s.Contact.CountryCode = cmp.Or(text(h.thread.CountryCode), s.Contact.CountryCode)
}

// Past returns the side of a message of the thread that Chat began.
func (f *Finder) Past(msg *split.Message) *Side {
	h := &f.chat
	if h.user.named() && len(msg.FromUserID)+len(msg.ToUserID) == 0 && msg.Names == nil && !identity.IsGroupID(msg.To) && !identity.IsGroupID(msg.From) {
		h.side.Direction = h.direction(msg)
		if len(h.side.Contact.WaID) > 0 {
			return &h.side
		}
	}
	return f.pastInFull(h, msg)
}

// direction returns the direction of a message that names people by from and to alone, as nearly all do.
func (h *chat) direction(msg *split.Message) string {
	if !h.self && msg.FromMe == split.FromMeAbsent {
		switch {
		case equal(msg.From, h.user.phone):
			return schemas.DirectionInbound
		case equal(msg.From, h.display):
			return schemas.DirectionOutbound
		}
	}
	from, to := personOf(msg.From, nil, nil), personOf(msg.To, nil, nil)
	return h.directionOf(msg, &from, &to)
}

// directionOf decides by all signs: from_me, the business's number, the thread's user, and the fact that a chat has two
// people.
func (h *chat) directionOf(msg *split.Message, from, to *person) string {
	fromUser, toUser := h.isUser(from), h.isUser(to)
	switch {
	case msg.FromMe == split.FromMeTrue:
		return schemas.DirectionOutbound
	case msg.FromMe == split.FromMeFalse:
		return schemas.DirectionInbound
	case samePhone(from.phone, h.display):
		return schemas.DirectionOutbound
	case fromUser:
		return schemas.DirectionInbound
	case toUser:
		return schemas.DirectionOutbound
	case samePhone(to.phone, h.display):
		return schemas.DirectionInbound
	case otherUserID(from, &h.user):
		return schemas.DirectionOutbound // not the user, and a chat has two people
	case otherUserID(to, &h.user):
		return schemas.DirectionInbound // to another than the user
	case isUserID(from):
		return schemas.DirectionInbound // the thread's user has no id that could be compared
	case isUserID(to):
		return schemas.DirectionOutbound
	case len(from.phone) > 0 && len(h.user.phone) > 0:
		return schemas.DirectionOutbound // not the user, and a chat has two people
	case len(from.phone) > 0 && len(h.display) > 0:
		return schemas.DirectionInbound // not the business
	case len(from.phone) == 0 && len(to.phone) > 0 && len(h.user.phone) > 0:
		return schemas.DirectionInbound // to another than the user
	case len(from.phone) == 0 && len(to.phone) > 0 && len(h.display) > 0:
		return schemas.DirectionOutbound // to another than the business
	}
	return schemas.DirectionUnknown
}

// otherUserID reports whether p and the user of a thread, who is another person, have business-scoped ids of one kind.
func otherUserID(p, user *person) bool {
	return identity.IsUserID(p.user) && identity.IsUserID(user.user) || identity.IsUserID(p.parent) && identity.IsUserID(user.parent)
}

func isUserID(p *person) bool { return identity.IsUserID(p.user) || identity.IsUserID(p.parent) }

func (h *chat) isUser(p *person) bool { return p.is(&h.user) || p.is(&h.byID) }

// pastInFull uses all names of a message.
func (f *Finder) pastInFull(h *chat, msg *split.Message) *Side {
	names := namesOf(msg)
	group := firstOf(h.group, groupOf(msg, names)) // the thread is a group for all its messages
	from, to := senderOf(msg, names, group), receiverOf(msg, names, group)
	changed := msg.Names != nil && changesUser(names)
	f.side = Side{}
	s := &f.side
	if len(group) > 0 {
		members := chat{change: h.change, display: h.display, thread: &noThread} // it has more than two members
		s.Direction = members.directionOf(msg, &from, &to)
		if changed {
			s.Direction = orInbound(s.Direction)
		}
		p := participant(s.Direction, from, to)
		if changed {
			p = changedUser(names, p)
		}
		if s.Direction != schemas.DirectionInbound {
			members.change = asked(h.change, group, &p)
		}
		f.describe(s, &members, &p, &f.ofItem)
		s.GroupID, s.Thread = text(group), text(group)
		return s
	}
	s.Direction = h.directionOf(msg, &from, &to)
	if s.Direction == schemas.DirectionUnknown && !h.user.named() {
		s.Direction = f.byContacts(h.change, &from, &to)
	}
	p, of := h.user, person{}
	if changed {
		s.Direction = orInbound(s.Direction)
		if of = participant(s.Direction, from, to); !of.named() {
			of = h.user
		}
		of = changedUser(names, of)
	} else {
		of = participant(s.Direction, from, to)
	}
	if !of.deniedBy(&h.user) {
		p.or(of)
	}
	f.describe(s, h, &p, &f.ofItem)
	// A thread with a name keeps it, for all names in its messages.
	s.Thread = cmp.Or(h.side.Thread, text(h.byID.user), s.Contact.WaID, s.Contact.UserID, s.Contact.ParentUserID)
	return s
}

// orInbound returns the direction of a message about a change of its user; without other signs it is from the user.
func orInbound(direction string) string {
	if direction == schemas.DirectionUnknown {
		return schemas.DirectionInbound
	}
	return direction
}

// noThread represents the thread of a message that names its own people.
var noThread split.Thread

// participant returns which of two is the user.
func participant(direction string, from, to person) person {
	switch direction {
	case schemas.DirectionInbound:
		return from
	case schemas.DirectionOutbound:
		return to
	}
	return person{}
}

// byContacts returns the direction if only contacts[] shows which of two is the user.
func (f *Finder) byContacts(c *split.Change, from, to *person) string {
	fromKnown := len(f.match(c, from)) > 0
	toKnown := len(f.match(c, to)) > 0
	switch {
	case fromKnown && !toKnown:
		return schemas.DirectionInbound
	case toKnown && !fromKnown:
		return schemas.DirectionOutbound
	}
	return schemas.DirectionUnknown
}
