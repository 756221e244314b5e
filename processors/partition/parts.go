package partition

import (
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// progress is where the processing of a body goes on that left in part. What was processed before it is committed: it is
// in the same transactions.
type progress struct {
	change, item int // items of the change that are done
	// Of a change that is done in part: whose it is, and whether it was to leave as it is and must not.
	waba  string
	unfit bool
	odd   unprocessed // of the changes before
}

// progressRecord is a progress in `state`.
type progressRecord struct {
	Change  int      `json:"change,omitempty"`
	Item    int      `json:"item,omitempty"`
	WABA    string   `json:"waba_id,omitempty"`
	Unfit   bool     `json:"unfit,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Changes [][2]int `json:"changes,omitempty"` // that could not be processed, and how many parts of each
}

// oddChangesKept are as many changes that could not be processed as a progress remembers: of more a letter does not tell
// the places (partsBytesMax).
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

// Part is Webhook for a record of the lane that carries history. Where the transaction has no room for the whole body
// (Bound), the part that there is room for leaves; the rest is due with GoOn.
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

// GoOn processes the record that was started, from where it is on: o and b are that record, read again. It tells whether
// nothing is left.
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

// pause tells whether to stop before the next item of a body. It looks at the limit of the turn every PartItems items.
func (p *Partition) pause() bool {
	if !p.inParts {
		return false
	}
	p.turn.items++
	return p.turn.items%PartItems == 0 && p.turn.over(0)
}

// stopped leaves the numbers in line whose chunks were offered: what may leave of them does so when the body is through.
func (p *Partition) stopped() {
	for _, o := range p.offers {
		p.want(o.number)
		p.holds = p.holds || o.number.history.Held() > o.held
	}
	p.offers = p.offers[:0]
}
