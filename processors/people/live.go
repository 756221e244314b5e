package people

import (
	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Message is the side of a message or an echo of now, and of the asset of an earlier placeholder. display is the number
// of the business, nil where it is not known. An echo is what the business wrote, unless
// it is to the business and from somebody else. Anything else under `messages` came
// from the user, unless it says otherwise: another application of the business may have sent it.
func (f *Finder) Message(c *split.Change, display []byte, msg *split.Message, echo bool) *Side {
	names := namesOf(msg)
	group := groupOf(msg, names)
	to := receiverOf(msg, names, group)
	direction := schemas.DirectionOutbound
	var from person
	switch {
	case !echo:
		from = senderOf(msg, names, group)
		direction = f.liveDirection(c, display, msg, &from, &to)
	case len(to.phone) > 0 && len(display) > 0 && samePhone(to.phone, digitsOf(display)):
		if from = senderOf(msg, names, group); from.named() && !samePhone(from.phone, digitsOf(display)) {
			direction = schemas.DirectionInbound
		}
	}
	if direction == schemas.DirectionOutbound {
		if msg.Names != nil && changesUser(names) {
			to = changedUser(names, to)
		}
		return f.settle(direction, asked(c, group, &to), display, &to, group, nil)
	}
	if msg.Names != nil {
		from = changedUser(names, from)
	}
	return f.settle(direction, c, display, &from, group, nil)
}

// asked returns the change whose contacts[] is searched for the receiver of a message of the business. A message to a
// group is for all of it, so no entry of contacts[] is the receiver.
func asked(c *split.Change, group []byte, to *person) *split.Change {
	if len(group) > 0 && !to.named() {
		return &noChange
	}
	return c
}

var noChange split.Change

func (f *Finder) liveDirection(c *split.Change, display []byte, msg *split.Message, from, to *person) string {
	display = digitsOf(display)
	switch {
	case msg.FromMe == split.FromMeTrue:
		return schemas.DirectionOutbound
	case msg.FromMe == split.FromMeFalse:
		return schemas.DirectionInbound
	case samePhone(from.phone, display):
		return schemas.DirectionOutbound
	case len(from.user)+len(from.parent) > 0, samePhone(to.phone, display), !to.named():
		return schemas.DirectionInbound
	case len(to.user)+len(to.parent) > 0 && !from.named(), len(display) > 0 && !from.named():
		return schemas.DirectionOutbound // to somebody else than the business, from nobody who is a user
	case len(display) == 0 && len(f.match(c, from)) == 0 && len(f.match(c, to)) > 0:
		return schemas.DirectionOutbound // contacts[] knows whom it is for, and not who wrote it
	}
	return schemas.DirectionInbound
}

// Status is the side of a status: whom the message was sent to.
func (f *Finder) Status(c *split.Change, display []byte, msg *split.Message) *Side {
	names := namesOf(msg)
	group := groupOf(msg, names)
	to := receiverOf(msg, names, group)
	return f.settle(schemas.DirectionOutbound, asked(c, group, &to), display, &to, group, names.RecipientLogicalID)
}

// Who is one whom an item without a sender and a receiver names.
type Who struct{ ID, UserID, ParentUserID []byte }

// Named returns the side of an item without a direction: an error without a message, or a thread that was handed over.
func (f *Finder) Named(c *split.Change, display []byte, who Who) *Side {
	for _, group := range [...][]byte{who.ID, who.UserID} {
		if identity.IsGroupID(group) {
			p := personOf(without(who.ID, group), without(who.UserID, group), who.ParentUserID)
			return f.settle(schemas.DirectionUnknown, asked(c, group, &p), display, &p, group, nil)
		}
	}
	p := personOf(who.ID, who.UserID, who.ParentUserID)
	return f.settle(schemas.DirectionUnknown, c, display, &p, nil, nil)
}

// Joined is the side of an asset whose placeholder is known: the chat and the direction are the placeholder's, and what
// the asset says of the contact stays where it is about that chat.
func Joined(s *Side, thread string, group bool, direction string) Side {
	id := []byte(thread)
	joined := Side{Direction: direction, Thread: string(identity.Digits(id)), Contact: s.Contact, Profiles: s.Profiles}
	if group || identity.IsGroupID(id) { // a placeholder of an earlier version does not say so
		joined.GroupID, joined.Thread = thread, thread
		if direction == schemas.DirectionOutbound && s.Direction == schemas.DirectionOutbound {
			joined.Contact, joined.Profiles = schemas.Contact{}, nil // for all of the group
		}
		if joined.Contact.UserID == thread {
			joined.Contact.UserID = ""
		}
		return joined
	}
	if thread == "" {
		joined.Thread = s.Thread
		return joined
	}
	own := personOf([]byte(s.Contact.WaID), []byte(s.Contact.UserID), []byte(s.Contact.ParentUserID))
	chat := personOf(id, nil, nil)
	if own.deniedBy(&chat) {
		joined.Contact, joined.Profiles = schemas.Contact{}, nil
	}
	if joined.Contact.WaID == "" {
		joined.Contact.WaID = string(chat.phone)
	}
	if joined.Contact.UserID == "" {
		joined.Contact.UserID = string(chat.user)
	}
	return joined
}
