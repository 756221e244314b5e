package partition

import (
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// live routes messages, echoes, statuses and errors of a change to `messages` and `echoes`, or to `media` if they
// are the media follow-up of an earlier placeholder. done is the number of processed items of the change. live
// returns false if the rest has to wait.
func (p *Partition) live(o *Origin, c *split.Change, n *number, done *int) bool {
	l := liveChange{o: o, c: c, n: n, origin: p.place(o, c.Entry, c.Index)}
	messages, echoes, statuses := len(c.Messages), len(c.Echoes), len(c.Statuses)
	for began, items := *done, itemsOf(c); *done < items; *done++ {
		if *done > began && p.pause() {
			return false
		}
		i := *done
		switch {
		case i < messages:
			p.item(&l, &c.Messages[i], l.ofEchoes())
		case i < messages+echoes:
			p.item(&l, &c.Echoes[i-messages], true)
		case i < messages+echoes+statuses:
			p.status(&l, &c.Statuses[i-messages-echoes])
		case i < messages+echoes+statuses+len(c.Handovers):
			p.handover(&l, &c.Handovers[i-messages-echoes-statuses])
		default:
			p.failure(&l)
		}
	}
	return true
}

// itemsOf returns the number of live items of a change. All its errors count as one.
func itemsOf(c *split.Change) int {
	n := len(c.Messages) + len(c.Echoes) + len(c.Statuses) + len(c.Handovers)
	if len(c.Errors) > 0 {
		n++
	}
	return n
}

// liveChange is the common part of the items of one change.
type liveChange struct {
	o      *Origin
	c      *split.Change
	n      *number
	origin []byte
}

func (l *liveChange) event(topic schemas.Topic, ceType string) event {
	return event{topic: topic, ceType: ceType, source: l.n.source, origin: l.origin, trace: l.o}
}

// standby reports whether the items are copies of messages that another application answers.
func (l *liveChange) standby() bool { return string(l.c.Field) == fieldStandby }

// ofEchoes reports whether the field is that of echoes. Then its items are echoes, under any name of their array.
func (l *liveChange) ofEchoes() bool { return string(l.c.Field) == fieldEchoes }

// item emits a message or an echo, unless it was seen at its rank or a higher one.
func (p *Partition) item(l *liveChange, msg *split.Message, echo bool) {
	if p.pastMedia(l, msg, echo) {
		return
	}
	p.liveMessage(l, msg, p.people.Message(l.c, l.n.display(l.c, l.o.ReceivedAt), msg, echo), echo, false)
}
