package partition

import (
	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// handover emits that another application took or gave the control of a thread. Who had it and who has it now is in
// original; type says control_passed or control_taken.
func (t *Partition) handover(l *liveChange, msg *split.Message) {
	var id schemas.Hash
	id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeHandover), bytesOf(l.n.id.PhoneNumberID), t.content(l.c, msg.Raw))
	if !t.first(l.o, l.o.ReceivedAt, id, l.n.known(id), schemas.RankConcrete) {
		t.counts.Duplicates[KindMessage]++
		return
	}
	e := l.event(schemas.TopicMessages, schemas.TypeHandover)
	m := l.message()
	fill(&m, msg)
	on(&m, t.people.Named(l.c, l.n.display(l.c, l.o.ReceivedAt), people.Who{ID: msg.From, UserID: msg.FromUserID}))
	m.Kind, m.Direction = schemas.KindHandover, schemas.DirectionUnknown
	e.id, e.time = id, unix(msg.Timestamp)
	t.put(&e, l.o, t.threadKey(&m, id), t.message(&m))
}
