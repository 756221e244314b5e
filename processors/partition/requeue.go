package partition

import (
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Requeue is set for a dead letter that is processed again.
type Requeue struct {
	Letter []byte // the id of the letter
	// Event is the ce_id of the only event that could not leave; empty: the record had no events. Its other events
	// have left and are skipped, also if the deduplication window is over.
	Event string
	// Changes are the changes of the body that could not be processed; empty: those in Places. A hyphen after the
	// last one includes all that follow.
	Changes string
	// Places are their parts that could not be processed; empty: all.
	Places string
}

// Requeued reports whether to process a requeued record. A letter can be in the log twice if its requeue was
// interrupted.
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

// change reports whether to process a change of the body: by its number in the body, or by the paths of the parts.
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

// first reports whether an event leaves. Either none of its rank or a higher one has left, or its record was
// requeued for it.
func (p *Partition) first(o *Origin, at time.Time, id, key schemas.Hash, rank schemas.Rank) bool {
	if only := o.Requeue.event(); only != "" {
		return id.Hex() == only
	}
	return p.raise(at, key, rank)
}

// choose removes the parts of a body that are not to be processed.
func (r *Requeue) choose(b *split.Body) {
	if r != nil && r.Places != "" {
		b.Only(r.Places)
	}
}
