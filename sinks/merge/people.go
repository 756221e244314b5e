package merge

import "github.com/coexstream/coexstream/schemas"

// ParticipantKey names a participant of a group who received a message of the business.
type ParticipantKey struct {
	MessageKey
	ID string // its phone number, or else its business-scoped user id
}

// Participant is the receipt of a message from one participant.
type Participant struct {
	ParticipantKey
	Receipt Receipt
}

// Join is like that of Message.
func (p *Participant) Join(o *Participant) bool { return p.Receipt.join(&o.Receipt) }

// ReactionKey names a message and the person who reacts to it.
type ReactionKey struct {
	MessageKey        // of the message that is reacted to
	Sender     string // phone number or business-scoped user id; empty: the business
}

// Reaction is the newest reaction of a person to a message. Without an emoji it was removed.
type Reaction struct {
	ReactionKey
	Emoji Version // its Text
}

// Join is like that of Message.
func (r *Reaction) Join(o *Reaction) bool { return r.Emoji.join(&o.Emoji) }

// ContactKey names a person by one of its ids, for one number of one business: business-scoped ids have no meaning
// across portfolios.
type ContactKey struct {
	Number string
	ID     string // phone number in digits, in its spelling, or business-scoped user id
}

// Contact is a person under one id. A person with a phone number and a business-scoped id has two rows, each of which
// names the other id.
type Contact struct {
	ContactKey
	Chat    string // the id in the one spelling that represents all
	Book    Book
	Profile Profile
	Link    Link
}

// Book is the person's entry in the business's address book.
type Book struct {
	Order               Order
	Removed             bool
	FullName, FirstName string
	Username            string
	Phone, UserID       string
	ParentUserID        string
	At                  int64 // Unix milliseconds of the change
	Original            string
}

// Profile has the person's own name, from the newest event with one.
type Profile struct {
	Order             Order
	Name              string
	Username, Country string
}

// Link is the person's other id, from the newest event that names both.
type Link struct {
	Order Order
	ID    string
}

// Join is like that of Message.
func (c *Contact) Join(o *Contact) (changed bool) {
	if o.Book.Order > c.Book.Order {
		c.Book, changed = o.Book, true
	}
	if o.Profile.Order > c.Profile.Order {
		c.Profile, changed = o.Profile, true
	}
	if o.Link.Order > c.Link.Order {
		c.Link, changed = o.Link, true
	}
	return changed
}

// idOf returns the id by which a person is found.
func idOf(c *schemas.Contact) string {
	switch {
	case c == nil:
		return ""
	case c.WaID != "":
		return clean(c.WaID)
	}
	return clean(c.UserID)
}
