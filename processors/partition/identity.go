package partition

import (
	"bytes"
	"time"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// content is JSON of a change as it counts in ids: see split.Change.Content. The result is valid until the next call.
func (t *Partition) content(c *split.Change, raw []byte) []byte {
	content := c.Content(t.compact[:0], raw)
	if len(content) > 0 && len(content) < len(raw) {
		t.compact = content
	}
	return content
}

// messageKey identifies a message by its wamid, or by its content where it has none.
func (t *Partition) messageKey(c *split.Change, phoneNumberID string, msg *split.Message) (key schemas.Hash) {
	if len(msg.ID) > 0 {
		key, t.scratch = schemas.MessageKey(t.scratch, bytesOf(phoneNumberID), msg.ID)
	} else {
		key, t.scratch = schemas.HashParts(t.scratch, bytesOf(phoneNumberID), nil, t.content(c, msg.Raw))
	}
	return key
}

// liveKey identifies a message or an echo of now: by the token of its wamid where it has one, since the same message may
// come under the wamid with the user's phone number and under that with its business-scoped user id.
//
// Messages of the past are identified by their whole wamid: those to a broadcast list have one token in all chats, and
// are as many messages.
func (t *Partition) liveKey(c *split.Change, n *number, msg *split.Message) (key schemas.Hash) {
	if w, ok := schemas.ParseWAMID(msg.ID); ok {
		key, t.scratch = schemas.HashParts(t.scratch, bytesOf(n.id.PhoneNumberID), keyOfToken, w.Token())
		return key
	}
	return t.messageKey(c, n.id.PhoneNumberID, msg)
}

var keyOfToken = []byte("token")

func rankOf(msg *split.Message) schemas.Rank {
	return schemas.RankOf(msg.Type, msg.HasErrors, msg.HasContent)
}

// editKey identifies one of the edits under a wamid.
func (t *Partition) editKey(c *split.Change, message schemas.Hash, msg *split.Message) schemas.Hash {
	content := msg.Edit
	if content == nil {
		content = msg.Raw
	}
	return schemas.EditKey(message, msg.Timestamp, t.content(c, content))
}

// ranks is never written to: events point into it.
var ranks = [...]schemas.Rank{schemas.RankPlaceholder, schemas.RankConcrete, schemas.RankEdit, schemas.RankRevoke}

// classify sets how to read a message and which of its versions it is.
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

// A placeholder and its follow-up may have the two wamids of their message. So a placeholder stands under the token, and a
// follow-up waits under it; whether it is that message's, the users in thread and wamid tell.

// joinKey is the key under which the follow-up of a message waits. key identifies the message.
func (t *Partition) joinKey(n *number, key schemas.Hash, wamid []byte) schemas.Hash {
	if w, ok := schemas.ParseWAMID(wamid); ok {
		return t.tokenKey(n, &w, keyOfToken)
	}
	return key
}

// wamidToken is the token of a wamid, by which readers join what has the two wamids of one message. It is empty where the
// wamid has none.
func (t *Partition) wamidToken(wamid []byte) string {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok {
		return ""
	}
	return str(t.arena.copy(str(w.Token())))
}

func (t *Partition) tokenKey(n *number, w *schemas.ScopedWAMID, kind []byte) (key schemas.Hash) {
	key, t.scratch = schemas.HashParts(t.scratch, bytesOf(n.id.PhoneNumberID), kind, w.Token())
	return key
}

// keyOfSeveral marks a token of which several chats have placeholders: those of a message to a broadcast list.
var keyOfSeveral = []byte("several")

// remember keeps a placeholder that left, and gives the follow-ups that waited for it or for one with its token.
func (t *Partition) remember(n *number, key schemas.Hash, wamid []byte, p media.Placeholder, receivedAt time.Time) []media.FollowUp {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok {
		return n.media.Placeholder(receivedAt, key, p)
	}
	token := t.tokenKey(n, &w, keyOfToken)
	first, seen := n.media.Find(token)
	several := seen && first.Thread != p.Thread
	if several {
		n.media.Placeholder(receivedAt, t.tokenKey(n, &w, keyOfSeveral), p)
	}
	if several || !sameUser(w.User(), bytesOf(p.Thread)) {
		n.media.Placeholder(receivedAt, key, p)
	}
	if several {
		return n.media.Waiting(token)
	}
	return n.media.Placeholder(receivedAt, token, p)
}

// hasPlaceholders tells whether placeholderOf can find any.
func (t *Partition) hasPlaceholders(n *number) bool {
	known, _ := n.media.Len()
	return known > 0 || t.outer != nil
}

// placeholderOf is the placeholder of a follow-up: that with its wamid, else that with the other wamid of its message.
func (t *Partition) placeholderOf(n *number, key schemas.Hash, msg *split.Message) (p media.Placeholder, ok bool) {
	if p, ok = t.findPlaceholder(n, key); ok {
		return p, true
	}
	w, ok := schemas.ParseWAMID(msg.ID)
	if !ok {
		return p, false
	}
	if p, ok = t.findPlaceholder(n, t.tokenKey(n, &w, keyOfToken)); !ok {
		return p, false
	}
	user, thread := w.User(), bytesOf(p.Thread)
	if sameUser(user, thread) {
		return p, true
	}
	// Of two phone numbers, or two business-scoped ids, the one is not the other.
	_, several := t.findPlaceholder(n, t.tokenKey(n, &w, keyOfSeveral))
	if several || identity.IsUserID(user) == identity.IsUserID(thread) {
		return media.Placeholder{}, false
	}
	return p, true
}

func sameUser(a, b []byte) bool { return bytes.Equal(a, b) || identity.SamePhone(a, b) }

// firstOfTwins tells whether no media follow-up left under the other wamid of a message whose placeholder is known.
func (t *Partition) firstOfTwins(l *liveChange, wamid []byte, thread string, rank schemas.Rank) bool {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok || l.o.Requeue.event() != "" {
		return true
	}
	n := l.n
	var key schemas.Hash
	key, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeMedia), bytesOf(n.id.PhoneNumberID), w.Token(), bytesOf(thread))
	if l.standby() {
		if t.left(l.o, t.now, n.known(key), rank) {
			return false
		}
		key = schemas.StandbyKey(key)
	}
	return t.raise(t.now, n.known(key), rank)
}
