package partition

import (
	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// handover emits an event for another application that took or passed the control of a thread. The former and the
// new owner are in original; type is control_passed or control_taken.
func (p *Partition) handover(l *liveChange, msg *split.Message) {
	var id schemas.Hash
	id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeHandover), bytesOf(l.n.id.PhoneNumberID), p.content(l.c, msg.Raw))
	if !p.first(l.o, l.o.ReceivedAt, id, l.n.known(id), schemas.RankConcrete) {
		p.counts.Duplicates[KindMessage]++
		return
	}
	e := l.event(schemas.TopicMessages, schemas.TypeHandover)
	m := l.message()
	fill(&m, msg)
	on(&m, p.people.Named(l.c, l.n.display(l.c, l.o.ReceivedAt), people.Who{ID: msg.From, UserID: msg.FromUserID}))
	m.Kind, m.Direction = schemas.KindHandover, schemas.DirectionUnknown
	e.id, e.time = id, unix(msg.Timestamp)
	p.put(&e, l.o, p.threadKey(&m, id), p.message(&m))
}
