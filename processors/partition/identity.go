package partition

import (
	"bytes"
	"time"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// content returns JSON of a change in the form that ids depend on: see split.Change.Content. It is valid until the
// next call.
func (p *Partition) content(c *split.Change, raw []byte) []byte {
	content := c.Content(p.compact[:0], raw)
	if len(content) > 0 && len(content) < len(raw) {
		p.compact = content
	}
	return content
}

// messageKey identifies a message by its wamid, or without one by its content.
func (p *Partition) messageKey(c *split.Change, phoneNumberID string, msg *split.Message) (key schemas.Hash) {
	if len(msg.ID) > 0 {
		key, p.scratch = schemas.MessageKey(p.scratch, bytesOf(phoneNumberID), msg.ID)
	} else {
		key, p.scratch = schemas.HashParts(p.scratch, bytesOf(phoneNumberID), nil, p.content(c, msg.Raw))
	}
	return key
}

// liveKey identifies a live message or echo by the token of its wamid, if it has one. The same message may have a
// wamid with the user's phone number, and another one with the business-scoped user id.
//
// Messages of the past are identified by their whole wamid. Those to a broadcast list share one token in all chats,
// but are different messages.
func (p *Partition) liveKey(c *split.Change, n *number, msg *split.Message) (key schemas.Hash) {
	if w, ok := schemas.ParseWAMID(msg.ID); ok {
		key, p.scratch = schemas.HashParts(p.scratch, bytesOf(n.id.PhoneNumberID), keyOfToken, w.Token())
		return key
	}
	return p.messageKey(c, n.id.PhoneNumberID, msg)
}

var keyOfToken = []byte("token")

func rankOf(msg *split.Message) schemas.Rank {
	return schemas.RankOf(msg.Type, msg.HasErrors, msg.HasContent)
}

// editKey identifies one of the edits under a wamid.
func (p *Partition) editKey(c *split.Change, message schemas.Hash, msg *split.Message) schemas.Hash {
	content := msg.Edit
	if content == nil {
		content = msg.Raw
	}
	return schemas.EditKey(message, msg.Timestamp, p.content(c, content))
}

// ranks is never written: events point into it.
var ranks = [...]schemas.Rank{schemas.RankPlaceholder, schemas.RankConcrete, schemas.RankEdit, schemas.RankRevoke}

// classify sets the rank of a message's event and the fields that explain it.
func classify(m *schemas.Message, msg *split.Message, rank schemas.Rank) {
	m.Rank = &ranks[rank]
	if rank == schemas.RankPlaceholder {
		m.Kind = schemas.KindPlaceholder
		return
	}
	switch string(msg.Type) {
	case "reaction":
		m.Kind = schemas.KindReaction
	case "edit":
		m.Kind = schemas.KindEdit
	case "revoke":
		m.Kind = schemas.KindRevoke
	case "system":
		m.Kind = schemas.KindSystem
	default:
		m.Kind = schemas.KindMessage
	}
}

// A placeholder and its follow-up may have the two different wamids of their message. So both are stored under the
// token. The users in thread and wamid decide whether they belong to the same message.

// joinKey returns the key under which the follow-up of a message waits. key identifies the message.
func (p *Partition) joinKey(n *number, key schemas.Hash, wamid []byte) schemas.Hash {
	if w, ok := schemas.ParseWAMID(wamid); ok {
		return p.tokenKey(n, &w, keyOfToken)
	}
	return key
}

// wamidToken returns the token of a wamid, by which readers join the events with the two wamids of one message. It
// is empty if the wamid has none.
func (p *Partition) wamidToken(wamid []byte) string {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok {
		return ""
	}
	return str(p.arena.copy(str(w.Token())))
}

func (p *Partition) tokenKey(n *number, w *schemas.ScopedWAMID, kind []byte) (key schemas.Hash) {
	key, p.scratch = schemas.HashParts(p.scratch, bytesOf(n.id.PhoneNumberID), kind, w.Token())
	return key
}

// keyOfSeveral marks a token with placeholders in several chats: those of a message to a broadcast list.
var keyOfSeveral = []byte("several")

// remember stores a placeholder that left. It returns the follow-ups that waited for it, or for one with its token.
func (p *Partition) remember(n *number, key schemas.Hash, wamid []byte, known media.Placeholder, receivedAt time.Time) []media.FollowUp {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok {
		return n.media.Placeholder(receivedAt, key, known)
	}
	token := p.tokenKey(n, &w, keyOfToken)
	first, seen := n.media.Find(token)
	several := seen && first.Thread != known.Thread
	if several {
		n.media.Placeholder(receivedAt, p.tokenKey(n, &w, keyOfSeveral), known)
	}
	if several || !sameUser(w.User(), bytesOf(known.Thread)) {
		n.media.Placeholder(receivedAt, key, known)
	}
	if several {
		return n.media.Waiting(token)
	}
	return n.media.Placeholder(receivedAt, token, known)
}

// hasPlaceholders reports whether placeholderOf can find any.
func (p *Partition) hasPlaceholders(n *number) bool {
	known, _ := n.media.Len()
	return known > 0 || p.outer != nil
}

// placeholderOf returns the placeholder of a follow-up: the one with its wamid, or with the other wamid of its
// message.
func (p *Partition) placeholderOf(n *number, key schemas.Hash, msg *split.Message) (found media.Placeholder, ok bool) {
	if found, ok = p.findPlaceholder(n, key); ok {
		return found, true
	}
	w, ok := schemas.ParseWAMID(msg.ID)
	if !ok {
		return found, false
	}
	if found, ok = p.findPlaceholder(n, p.tokenKey(n, &w, keyOfToken)); !ok {
		return found, false
	}
	user, thread := w.User(), bytesOf(found.Thread)
	if sameUser(user, thread) {
		return found, true
	}
	// Two different phone numbers, or two different business-scoped ids, are two users.
	_, several := p.findPlaceholder(n, p.tokenKey(n, &w, keyOfSeveral))
	if several || identity.IsUserID(user) == identity.IsUserID(thread) {
		return media.Placeholder{}, false
	}
	return found, true
}

func sameUser(a, b []byte) bool { return bytes.Equal(a, b) || identity.SamePhone(a, b) }

// firstOfTwins reports whether no media follow-up has left under the other wamid of a message with a known
// placeholder.
func (p *Partition) firstOfTwins(l *liveChange, wamid []byte, thread string, rank schemas.Rank) bool {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok || l.o.Requeue.event() != "" {
		return true
	}
	n := l.n
	var key schemas.Hash
	key, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeMedia), bytesOf(n.id.PhoneNumberID), w.Token(), bytesOf(thread))
	if l.standby() {
		if p.left(l.o, p.now, n.known(key), rank) {
			return false
		}
		key = schemas.StandbyKey(key)
	}
	return p.raise(p.now, n.known(key), rank)
}
