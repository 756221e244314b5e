package partition

import (
	"bytes"
	"slices"
	"time"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

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

// placeholder stores a placeholder that left, and emits the follow-ups that waited for it.
func (p *Partition) placeholder(n *number, key schemas.Hash, m *schemas.Message, receivedAt time.Time) {
	known := media.Placeholder{Thread: string([]byte(m.Thread)), Group: m.GroupID != "", Timestamp: m.Timestamp, Direction: m.Direction}
	waited := p.remember(n, key, bytesOf(m.WAMID), known, receivedAt)
	assets := make([]*mediaFollowUp, len(waited))
	for i := range waited {
		assets[i] = mediaFollowUpOf(waited[i])
	}
	// Of several follow-ups the one that was received first leaves, in any order of processing.
	order := make([]int, len(assets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return assets[i].ReceivedAt.Compare(assets[j].ReceivedAt) })
	for _, i := range order {
		w, a := waited[i], assets[i]
		// A message to a broadcast list has its token in each chat. The follow-ups of other chats continue to wait.
		if _, joined := p.placeholderOf(n, a.Key, &a.Message); !joined && n.media.Wait(receivedAt, w.Key, w.Value) {
			continue
		}
		p.emitMediaFollowUp(n, a)
	}
}
