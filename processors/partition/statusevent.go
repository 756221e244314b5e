package partition

import (
	"cmp"
	"strconv"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// status emits a status. A message has several statuses, also out of order, and each is a separate event. Several
// can have the same second: of the participants of a group, of a payment, with different errors. So all bytes are
// part of their identity.
func (p *Partition) status(l *liveChange, msg *split.Message) {
	var b [20]byte
	at := strconv.AppendInt(b[:0], msg.Timestamp, 10)
	var id schemas.Hash
	id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeStatus), bytesOf(l.n.id.PhoneNumberID), msg.ID, msg.Status, at, p.content(l.c, msg.Raw))
	id, first := p.firstBytes(l, id)
	if !first {
		p.counts.Duplicates[KindStatus]++
		return
	}
	e := l.event(schemas.TopicMessages, schemas.TypeStatus)
	m := l.message()
	fill(&m, msg)
	on(&m, p.people.Status(l.c, l.n.display(l.c, l.o.ReceivedAt), msg))
	m.Kind = schemas.KindStatus
	m.Status, m.To = str(msg.Status), cmp.Or(str(msg.RecipientID), str(msg.RecipientUserID))
	e.id, e.time, e.subject = id, unix(msg.Timestamp), p.arena.copy(m.WAMID)
	p.put(&e, l.o, p.threadKey(&m, e.id), p.message(&m))
}

// firstBytes sets the id of a status or an error, which all its bytes identify, and reports whether it leaves.
func (p *Partition) firstBytes(l *liveChange, id schemas.Hash) (schemas.Hash, bool) {
	if l.standby() {
		if p.left(l.o, l.o.ReceivedAt, l.n.known(id), schemas.RankConcrete) {
			return id, false
		}
		id = schemas.StandbyKey(id)
	}
	return id, p.first(l.o, l.o.ReceivedAt, id, l.n.known(id), schemas.RankConcrete)
}
