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
	case e.Asset != nil: // as its message
		p.message(messageOf(e.Asset))
	}
	if received := e.ReceivedAt; p.At <= 0 || received > 0 && received < p.At {
		p.At = received
	}
	return p
}

// PeopleOfKey says whom the key of a record names that cannot be read, received at a time in Unix milliseconds.
func PeopleOfKey(topic schemas.Topic, key []byte, received int64) (p People) {
	number, id := splitKey(view(key))
	p.Number, p.At = clean(number), received
	switch topic {
	case schemas.TopicHistory, schemas.TopicEchoes, schemas.TopicMessages, schemas.TopicContacts:
		p.add(id)
	case schemas.TopicMedia, schemas.TopicAssets:
		p.add(namedBy(&schemas.Message{WAMID: id}))
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
	p.add(chatWith(m), senderInGroup(m))
	if len(p.IDs) == 0 {
		p.add(namedBy(m))
	}
}

// personOf returns one of the people of a message event, in the spelling of chats: the user of the chat, in a group the participant. Empty: nobody is
// named. The links of contacts lead to the person's other ids.
func personOf(m *schemas.Message) string {
	var contact schemas.Contact
	if m.Contact != nil {
		contact = *m.Contact
	}
	for _, id := range [...]string{chatWith(m), contact.WaID, contact.UserID, senderInGroup(m)} {
		if id = clean(id); id != "" {
			return ChatOf(id)
		}
	}
	return ChatOf(clean(namedBy(m)))
}

// chatWith returns the user of a chat; empty: the thread is a group, or nobody is named.
func chatWith(m *schemas.Message) string {
	if m.GroupID != "" {
		return ""
	}
	return m.Thread
}

// senderInGroup returns the participant who wrote to a group.
func senderInGroup(m *schemas.Message) string {
	if m.GroupID == "" || m.Direction != schemas.DirectionInbound {
		return ""
	}
	return m.From
}

// namedBy returns the user in the id of a message that is not in a group.
func namedBy(m *schemas.Message) string {
	if m.GroupID != "" {
		return ""
	}
	w, ok := schemas.ParseWAMID(bytesOf(m.WAMID))
	if !ok {
		return ""
	}
	return string(w.User())
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
