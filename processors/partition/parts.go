package partition

import (
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// progress is the place in a body after its parts that have left. All before it is committed in the same
// transactions.
type progress struct {
	change, item int // processed items of the change
	// Of a change that was processed in part: its WABA, and whether it cannot leave verbatim as it would have to.
	waba  string
	unfit bool
	odd   unprocessed // parts of earlier changes that could not be processed
}

// progressRecord is the form of a progress in `state`.
type progressRecord struct {
	Change  int      `json:"change,omitempty"`
	Item    int      `json:"item,omitempty"`
	WABA    string   `json:"waba_id,omitempty"`
	Unfit   bool     `json:"unfit,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Changes [][2]int `json:"changes,omitempty"` // unprocessed changes: index, and number of parts
}

// oddChangesKept bounds the changes in a progress that could not be processed. For more of them a letter does not
// contain the places (partsBytesMax).
const oddChangesKept = partsBytesMax/2 + 1

func (p *progress) record() progressRecord {
	r := progressRecord{Change: p.change, Item: p.item, WABA: p.waba, Unfit: p.unfit, Reason: string(p.odd.reason), Detail: p.odd.detail}
	for _, c := range p.odd.changes[:min(len(p.odd.changes), oddChangesKept)] {
		r.Changes = append(r.Changes, [2]int{c.change, c.parts})
	}
	return r
}

func (r *progressRecord) progress() progress {
	p := progress{change: r.Change, item: r.Item, waba: r.WABA, unfit: r.Unfit, odd: unprocessed{reason: schemas.Reason(r.Reason), detail: r.Detail}}
	for _, c := range r.Changes {
		p.odd.changes = append(p.odd.changes, unprocessedChange{c[0], c[1]})
	}
	return p
}

// Part is Webhook for a record of raw.bulk. If the turn (Bound) has no room for the whole body, a part of it leaves,
// and GoOn continues. Part reports whether nothing is left.
func (p *Partition) Part(o *Origin, b *split.Body) (whole bool) {
	if o.Replay != nil || o.Requeue != nil {
		p.Webhook(o, b)
		return true
	}
	var at progress
	if whole = p.process(o, b, &at, true); !whole {
		h := deferred.Head{Business: string(o.Key), Record: deferred.Record{Topic: o.Topic, Offset: o.Offset, ReceivedAt: o.ReceivedAt, Bytes: int64(len(o.Value))}}
		waited := p.Waits(o.Key)
		p.deferral.begun, p.deferral.changed = &begun{Head: h, at: at}, true
		if !waited {
			p.setBehind(h.Business, true)
		}
	}
	return whole
}

// GoOn continues with the started record. o and b are that record, read again. It reports whether nothing is left.
func (p *Partition) GoOn(o *Origin, b *split.Body) (whole bool) {
	if o.Replay != nil || o.Requeue != nil {
		p.Webhook(o, b)
		p.Abandon()
		return true
	}
	p.deferral.changed = true
	if whole = p.process(o, b, &p.deferral.begun.at, true); whole {
		p.Abandon()
	}
	return whole
}

// pause reports whether to stop before the next item of a body. It checks the limit of the turn every PartItems
// items.
func (p *Partition) pause() bool {
	if !p.inParts {
		return false
	}
	p.turn.items++
	return p.turn.items%PartItems == 0 && p.turn.over(0)
}

// stopped queues the numbers whose chunks were offered. Their chunks leave after the whole body was processed.
func (p *Partition) stopped() {
	for _, o := range p.offers {
		p.enqueueHeld(o.number)
		p.holds = p.holds || o.number.history.Held() > o.held
	}
	p.offers = p.offers[:0]
}
