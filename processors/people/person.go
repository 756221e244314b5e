package people

import (
	"bytes"
	"unsafe"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
)

// person is a WhatsApp user, or the business, with the ids that an item has for it.
type person struct {
	phone  []byte // digits
	user   []byte // business-scoped user id, or another id that is no phone number
	parent []byte // the user id under which a parent business knows it
}

// personOf reads an id that is a phone number by its name, and two user ids. Each may be in the other's place: a user
// without a visible number has a user id there.
func personOf(id, user, parent []byte) person {
	user = identity.Named(user)
	p := person{user: user, parent: identity.Named(parent)}
	if len(id) > 0 {
		digits, ok := identity.Phone(id)
		if p.phone = digits; !ok && len(user) == 0 {
			p.user = identity.Named(id)
		}
	}
	if len(user) > 0 {
		if digits, ok := identity.Phone(user); ok {
			p.phone, p.user = firstOf(p.phone, digits), nil
		}
	}
	return p
}

func (p *person) named() bool { return len(p.phone)+len(p.user)+len(p.parent) > 0 }

// or adds from q the ids that p lacks.
func (p *person) or(q person) {
	p.phone, p.user, p.parent = firstOf(p.phone, q.phone), firstOf(p.user, q.user), firstOf(p.parent, q.parent)
}

// is reports whether two ids, of any kinds, name one person.
func (p *person) is(q *person) bool {
	return samePhone(p.phone, q.phone) || equal(p.user, q.user) || equal(p.parent, q.parent) ||
		equal(p.user, q.parent) || equal(p.parent, q.user)
}

// deniedBy reports whether p has an id of q's kinds, and none of them is q's.
func (p *person) deniedBy(q *person) bool {
	both := len(p.phone) > 0 && len(q.phone) > 0 || len(p.user) > 0 && len(q.user) > 0
	return both && !p.is(q)
}

func samePhone(a, b []byte) bool {
	return len(a) > 0 && len(b) > 0 && (bytes.Equal(a, b) || identity.SamePhone(a, b))
}

func equal(a, b []byte) bool { return len(a) > 0 && bytes.Equal(a, b) }

// digitsOf returns the digits of the business's number, which is formatted for people.
func digitsOf(display []byte) []byte {
	digits, ok := identity.Phone(display)
	if ok {
		return digits
	}
	for _, c := range display {
		if '0' <= c && c <= '9' {
			digits = append(digits, c)
		}
	}
	return digits
}

// without returns id, or nothing if it is that of the group, in any of its spellings.
func without(id, group []byte) []byte {
	if len(group) > 0 && (equal(id, group) || identity.IsGroupID(id)) {
		return nil
	}
	return id
}

func firstOf(ids ...[]byte) []byte {
	for _, id := range ids {
		if len(id) > 0 {
			return id
		}
	}
	return nil
}

// text views b as a string without a copy.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// none represents the names that most messages do not have.
var none split.Names

func namesOf(msg *split.Message) *split.Names {
	if msg.Names == nil {
		return &none
	}
	return msg.Names
}

var typeGroup = []byte("group")

// groupOf returns the group of an item; empty in a chat of two. The form of an id also shows a group. A status of a
// group has the group as its recipient, and the user as the participant.
func groupOf(msg *split.Message, names *split.Names) []byte {
	group := identity.Named(names.GroupID)
	switch {
	case len(group) > 0:
		return group
	case bytes.EqualFold(names.RecipientType, typeGroup):
		return firstOf(msg.RecipientID, msg.To, msg.RecipientUserID, msg.ToUserID)
	case identity.IsGroupID(msg.To):
		return msg.To
	case identity.IsGroupID(msg.RecipientID):
		return msg.RecipientID
	case identity.IsGroupID(msg.From):
		return msg.From
	case identity.IsGroupID(msg.ToUserID): // if a user is named, too
		return msg.ToUserID
	case identity.IsGroupID(msg.RecipientUserID):
		return msg.RecipientUserID
	case identity.IsGroupID(msg.FromUserID):
		return msg.FromUserID
	case len(names.ParticipantID)+len(names.ParticipantUserID)+len(names.ParticipantParentUserID) > 0:
		return msg.RecipientID
	}
	return nil
}

// senderOf returns the sender of a message.
func senderOf(msg *split.Message, names *split.Names, group []byte) person {
	return personOf(without(msg.From, group), without(msg.FromUserID, group), names.FromParentUserID)
}

// receiverOf returns the recipient of a message or a status; in a group, the participant.
func receiverOf(msg *split.Message, names *split.Names, group []byte) person {
	if msg.Names != nil {
		if p := personOf(without(names.ParticipantID, group), without(names.ParticipantUserID, group), names.ParticipantParentUserID); p.named() {
			return p
		}
	}
	p := personOf(without(msg.To, group), without(msg.ToUserID, group), names.ToParentUserID)
	if len(msg.RecipientID)+len(msg.RecipientUserID)+len(names.RecipientParentUserID) > 0 {
		p.or(personOf(without(msg.RecipientID, group), without(msg.RecipientUserID, group), names.RecipientParentUserID))
	}
	return p
}

// changesUser reports whether a message announces another name or number of a user.
func changesUser(names *split.Names) bool {
	for _, y := range [...]*split.System{&names.System, &names.UserIDUpdate} {
		if len(y.WaID)+len(y.UserID)+len(y.ParentUserID)+len(y.PreviousWaID)+len(y.PreviousUserID)+len(y.PreviousParentUserID) > 0 {
			return true
		}
	}
	return false
}

// changedUser returns the user of a system message. The sender has the former identity, and the message has the new
// one. If that has another number, the message says no more about the sender. If neither is named, the former identity
// counts.
func changedUser(names *split.Names, sender person) person {
	p := sender
	var before []byte
	for _, y := range [...]*split.System{&names.System, &names.UserIDUpdate} {
		now := personOf(y.WaID, y.UserID, y.ParentUserID)
		if len(sender.phone) == 0 || len(now.phone) == 0 || samePhone(sender.phone, now.phone) {
			p.or(now)
		}
		before = firstOf(before, y.PreviousUserID, y.PreviousParentUserID, y.PreviousWaID)
	}
	if !p.named() {
		p = personOf(before, nil, nil)
	}
	return p
}
