package partition

import (
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Requeue tells that a record is a dead letter that is tried again.
type Requeue struct {
	Letter []byte // which one
	// Event is the ce_id of the event that could not leave then; empty: none of the record did. The others
	// left, which is not known any more when their time of de-duplication is over: they are left out.
	Event string
	// Changes are the changes of the body that could not be processed; empty: those that Places name. A hyphen behind the
	// last one stands for all that follow it.
	Changes string
	// Places are the parts of them that could not; empty: all.
	Places string
}

// Requeued tells whether a requeued record is to be processed: a letter can reach the log twice when its
// requeue was interrupted.
func (p *Partition) Requeued(o *Origin) bool {
	var id schemas.Hash
	id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.HeaderRequeue), o.Requeue.Letter)
	p.passed(o.ReceivedAt)
	if !p.raise(p.now, id, schemas.RankConcrete) {
		p.counts.Duplicates[KindRequeued]++
		return false
	}
	return true
}

func (r *Requeue) event() string {
	if r == nil {
		return ""
	}
	return r.Event
}

// change tells whether a change of the body is to be processed: by its number in the body, else by the paths of the parts.
func (r *Requeue) change(i int, c *split.Change) bool {
	if r.Changes != "" {
		for one := range strings.SplitSeq(r.Changes, ",") {
			first, rest := strings.CutSuffix(one, "-")
			if at, err := strconv.Atoi(first); err == nil && (at == i || rest && at < i) {
				return true
			}
		}
		return false
	}
	return r.Places == "" || c.Chosen(r.Places)
}

// first tells whether an event is to leave: it did not at its rank or a higher one, or it is the one for which
// its record was requeued.
func (p *Partition) first(o *Origin, at time.Time, id, key schemas.Hash, rank schemas.Rank) bool {
	if only := o.Requeue.event(); only != "" {
		return id.Hex() == only
	}
	return p.raise(at, key, rank)
}

// choose leaves of a body what is to be processed of its changes.
func (r *Requeue) choose(b *split.Body) {
	if r != nil && r.Places != "" {
		b.Only(r.Places)
	}
}
