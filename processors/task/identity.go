package task

import (
	"time"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// messageKey identifies a message by its wamid, or by its bytes where it has none.
func messageKey(scratch []byte, phoneNumberID string, msg *split.Message) (schemas.Hash, []byte) {
	if len(msg.ID) > 0 {
		return schemas.MessageKey(scratch, bytesOf(phoneNumberID), msg.ID)
	}
	return schemas.HashParts(scratch, bytesOf(phoneNumberID), nil, msg.Raw)
}

// liveKey identifies a message or an echo of now: by the token of its wamid where it has one, since the same message may
// come under the wamid with the user's phone number and under that with its business-scoped user id.
//
// Messages of the past are identified by their whole wamid: those to a broadcast list have one token in all chats, and
// are as many messages.
func (t *Task) liveKey(n *number, msg *split.Message) (key schemas.Hash) {
	if w, ok := schemas.ParseWAMID(msg.ID); ok {
		key, t.scratch = schemas.HashParts(t.scratch, bytesOf(n.id.PhoneNumberID), keyOfToken, w.Token())
		return key
	}
	return t.itemKey(n, msg)
}

func (t *Task) itemKey(n *number, msg *split.Message) (key schemas.Hash) {
	key, t.scratch = messageKey(t.scratch, n.id.PhoneNumberID, msg)
	return key
}

var keyOfToken = []byte("token")

func rankOf(msg *split.Message) schemas.Rank { return schemas.RankOf(msg.Type, msg.HasErrors) }

// editKey identifies one of the edits under a wamid.
func editKey(message schemas.Hash, msg *split.Message) schemas.Hash {
	content := msg.Edit
	if content == nil {
		content = msg.Raw
	}
	return schemas.EditKey(message, msg.Timestamp, content)
}

// ranks is never written to: events point into it.
var ranks = [...]schemas.Rank{schemas.RankPlaceholder, schemas.RankConcrete, schemas.RankEdit, schemas.RankRevoke}

// classify sets how to read a message and which of its versions it is.
func classify(m *schemas.Message, msg *split.Message, rank schemas.Rank) {
	m.Rank = &ranks[rank]
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
		if rank == schemas.RankPlaceholder {
			m.Kind = schemas.KindPlaceholder
		}
	}
}

// twins are the keys by which a placeholder and a follow-up find each other whose wamids differ in the user's id alone:
// one has the phone number, the other the business-scoped user id.
type twins struct {
	own, other schemas.Hash // of wamids with the same token and an id of the same kind, of the other kind
	ambiguous  schemas.Hash // set where several chats have placeholders of that token: whose it is cannot be known
}

func (t *Task) twinsOf(n *number, wamid []byte) (tw twins, ok bool) {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok {
		return tw, false
	}
	kind, other := keyOfPhone, keyOfUser
	if identity.IsUserID(w.User()) {
		kind, other = other, kind
	}
	number := bytesOf(n.id.PhoneNumberID)
	tw.own, t.scratch = schemas.HashParts(t.scratch, number, kind, w.Token())
	tw.other, t.scratch = schemas.HashParts(t.scratch, number, other, w.Token())
	tw.ambiguous, t.scratch = schemas.HashParts(t.scratch, number, keyOfSeveral, w.Token())
	return tw, true
}

var keyOfPhone, keyOfUser, keyOfSeveral = []byte("phone"), []byte("user"), []byte("several")

// rememberTwin lets a placeholder be found by follow-ups with the message's other wamid.
func (t *Task) rememberTwin(n *number, m *schemas.Message, p media.Placeholder, receivedAt time.Time) {
	tw, ok := t.twinsOf(n, bytesOf(m.WAMID))
	if !ok {
		return
	}
	if known, seen := n.media.Find(tw.own); seen && known.Thread != p.Thread {
		tw.own = tw.ambiguous
	}
	n.media.Placeholder(receivedAt, tw.own, p)
}

// findTwin is the placeholder that stands under the other wamid of a follow-up's message.
func (t *Task) findTwin(n *number, wamid []byte) (p media.Placeholder, ok bool) {
	if known, _ := n.media.Len(); known == 0 && t.outer == nil {
		return p, false
	}
	tw, ok := t.twinsOf(n, wamid)
	if !ok {
		return p, false
	}
	if p, ok = t.findPlaceholder(n, tw.other); !ok {
		return p, false
	}
	if _, several := t.findPlaceholder(n, tw.ambiguous); several {
		return media.Placeholder{}, false
	}
	return p, true
}

// firstOfTwins tells whether no asset left under the other wamid of a message whose placeholder is known.
func (t *Task) firstOfTwins(o *Origin, n *number, wamid []byte, thread string, rank schemas.Rank) bool {
	w, ok := schemas.ParseWAMID(wamid)
	if !ok || o.Requeue.event() != "" {
		return true
	}
	var key schemas.Hash
	key, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeMedia), bytesOf(n.id.PhoneNumberID), w.Token(), bytesOf(thread))
	return t.raise(t.now, key, rank)
}
