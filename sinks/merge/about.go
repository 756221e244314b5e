package merge

import (
	"crypto/sha256"
	"slices"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// PersonHash stands for a person at a business number, without the id.
type PersonHash [sha256.Size]byte

// HashPerson is the hash of one of a person's ids, in any of its spellings. The empty number stands for all numbers.
func HashPerson(number, id string) PersonHash {
	return sha256.Sum256([]byte("coexstream\x00" + number + "\x00" + ChatOf(id)))
}

// People are whom an event is about.
type People struct {
	Number string
	IDs    []string // of the user in a chat; in a group, of the participant who sent, reacted or received
	At     int64    // Unix milliseconds of what the event reports, or of its receipt where that is earlier
}

// PeopleOf says whose data an event has. Events about numbers, syncs and accounts have none.
func PeopleOf(e *event.Event) (p People) {
	switch {
	case e.Message != nil:
		p.message(e.Message)
	case e.Topic == schemas.TopicContacts:
		p.contact(e)
	}
	if received := e.ReceivedAt; p.At <= 0 || received > 0 && received < p.At {
		p.At = received
	}
	return p
}

func (p *People) add(ids ...string) {
	for _, id := range ids {
		if id = clean(id); id != "" && !slices.Contains(p.IDs, id) {
			p.IDs = append(p.IDs, id)
		}
	}
}

func (p *People) message(m *schemas.Message) {
	p.Number, p.At = clean(m.PhoneNumberID), m.Timestamp*1000
	if c := m.Contact; c != nil {
		p.add(c.WaID, c.UserID)
	}
	switch {
	case m.GroupID == "":
		p.add(m.Thread)
	case m.Direction == schemas.DirectionInbound:
		p.add(m.From)
	}
	if len(p.IDs) == 0 && m.GroupID == "" {
		if w, ok := schemas.ParseWAMID(bytesOf(m.WAMID)); ok {
			p.add(string(w.User()))
		}
	}
}

func (p *People) contact(e *event.Event) {
	h := &e.Headers.Contact
	var id string
	p.Number, id = splitKey(view(e.Key))
	p.At = h.TimestampMS
	if c := e.Contact; c != nil {
		p.Number, id, p.At = c.PhoneNumberID, c.ID, c.TimestampMS
		p.add(c.PhoneNumber, c.UserID)
	}
	p.Number = clean(p.Number)
	p.add(id, h.Phone, h.User, h.Linked)
}
