package partition

import (
	"bytes"

	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// bounds returns the bounds of the output of a body.
func (p *Partition) bounds(o *Origin) split.Bounds {
	b := split.Bounds{
		EventBytesMax: p.cfg.EventBytesMax, OtherBytesMax: p.cfg.OtherBytesMax,
		HeaderBytes: len(o.TraceParent) + len(o.TraceState), Forced: o.Requeue != nil, Account: isAccount,
	}
	if o.Requeue != nil && (o.Requeue.Changes != "" || o.Requeue.Places != "") {
		b.Chosen = o.Requeue.change
	}
	return b
}

func isAccount(c *split.Change) bool {
	_, ok := account.EventOf(c)
	return ok
}

// whole reports whether a record is a body as the ingress wrote it. A rerouted change was counted with its body, and
// so was a body that is requeued for one event.
func (o *Origin) whole() bool {
	return (o.Requeue != nil || bytes.IndexByte(o.Label, '#') < 0) && o.Requeue.event() == ""
}

// chooses reports whether any change over a bound was to be processed.
func (o *Origin) chooses(b *split.Body) bool {
	if o.Requeue == nil {
		return true
	}
	for i := b.Rest; i < len(b.Changes); i++ {
		if o.Requeue.change(i, &b.Changes[i]) {
			return true
		}
	}
	return false
}

// fit leaves out the parts of a chunk that were left out before it was held. If the limit was lowered since, more
// parts are left out, and a letter reports the chunk.
func (p *Partition) fit(h inHand, d history.Departure) {
	change, element := int(d.Ref.Change), int(d.Ref.Element)
	h.body.Fit(change, element, p.bounds(h.origin))
	c, el := h.body.Chunk(change, element)
	if messagesIn(el) >= d.Messages || d.From > 0 {
		return
	}
	path := append(append(p.place(&Origin{}, c.Entry, c.Index)[1:], ".history."...), p.place(&Origin{}, element)[1:]...)
	p.DeadLetter(h.origin, schemas.ReasonEventTooLong, "an event of this chunk is longer than the limit, which was lowered after the chunk came",
		Header{schemas.HeaderDLQChanges, p.place(&Origin{}, change)[1:]}, Header{schemas.HeaderDLQPlaces, path})
}
