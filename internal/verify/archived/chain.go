package archived

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coexstream/coexstream/internal/verify"
)

// chain is the objects of a partition of a log, or of one of its snapshots, by their first offset.
type chain struct {
	log, snapshot string
	objects       []name
}

// chainsOf groups the objects of a partition.
func chainsOf(objects []name) (all []*chain) {
	slices.SortFunc(objects, func(a, b name) int {
		return cmp.Or(cmp.Compare(a.log, b.log), cmp.Compare(a.snapshot, b.snapshot), cmp.Compare(a.first, b.first))
	})
	for _, n := range objects {
		if last := len(all) - 1; last < 0 || all[last].log != n.log || all[last].snapshot != n.snapshot {
			all = append(all, &chain{log: n.log, snapshot: n.snapshot})
		}
		c := all[len(all)-1]
		c.objects = append(c.objects, n)
	}
	return all
}

// entry is a record of a topic, in few bytes.
type entry struct {
	offset int64
	digest digest
}

// partition has the records of a partition of a topic that are due, by their offsets.
type partition struct {
	start int64 // of the log
	due   []entry
}

// account judges the chains of one topic.
type account struct {
	v       *Verdict
	t       *TopicVerdict
	samples int
	sampled map[string]int

	progress verify.Progress
}

func (a *account) fault(n *int, kind, format string, args ...any) {
	*n++
	a.v.Faults++
	if a.sampled[kind]++; a.sampled[kind] <= a.samples {
		a.v.Samples = append(a.v.Samples, fmt.Sprintf("%s: %s: ", a.t.Topic, kind)+fmt.Sprintf(format, args...))
	}
}

// read reads the objects of a chain, and judges it alone. It returns the header of its last object, nil where it cannot be read.
func (a *account) read(ctx context.Context, b bucket, c *chain, yield func(*record)) (last *header, err error) {
	next := c.objects[0].first
	for i, n := range c.objects {
		a.t.Objects++
		a.v.Objects++
		switch {
		case n.first > next:
			a.fault(&a.t.Holes, "hole", "nothing has the offsets %d to %d before %s", next, n.first-1, n.full)
		case n.first < next:
			a.fault(&a.t.Overlaps, "overlap", "%s begins before %d, where the object before it ends", n.full, next)
		}
		h, err := readObject(ctx, b, n, func(r *record) {
			a.t.Records++
			a.v.Records++
			a.progress.Add(1)
			yield(r)
		})
		if errors.Is(err, errDamaged) {
			a.fault(&a.t.Damaged, "damaged", "%s: %v", n.full, err)
		} else if err != nil {
			return nil, fmt.Errorf("read %s: %w", n.full, err)
		}
		if last = h; h == nil {
			if i+1 < len(c.objects) {
				next = c.objects[i+1].first // unknown: the damage is the fault
			}
			continue
		}
		next = max(next, h.Next)
		if a.t.Removed += h.Lost; h.Lost > 0 {
			a.fault(new(int), "removed", "%d offsets from %d on, before %s", h.Lost, h.First, n.full)
		}
	}
	return last, nil
}

// compare judges the chain of the present log, record by record. The cursor passes over both once: both are in the order of their offsets.
func (a *account) compare(ctx context.Context, b bucket, c *chain, p *partition, yield func(*record)) error {
	a.t.Owed += len(p.due)
	at, passed := 0, int64(-1)
	end := p.start
	if len(p.due) > 0 {
		end = p.due[len(p.due)-1].offset + 1
	}
	lost := func(before int64) {
		for ; at < len(p.due) && p.due[at].offset < before; at++ {
			a.fault(&a.t.Lost, "lost", "%d@%d", c.objects[0].partition, p.due[at].offset)
		}
	}
	_, err := a.read(ctx, b, c, func(r *record) {
		yield(r)
		what := fmt.Sprintf("%d@%d", c.objects[0].partition, r.offset)
		switch {
		case r.offset <= passed:
			a.fault(&a.t.Surplus, "twice", "%s", what)
			return
		case r.offset < p.start, r.offset >= end: // removed by retention since, or written since
			a.t.Unjudged++
		default:
			lost(r.offset)
			switch {
			case at >= len(p.due) || p.due[at].offset != r.offset:
				a.fault(&a.t.Surplus, "surplus", "%s", what)
			case p.due[at].digest != r.digest():
				a.fault(&a.t.Wrong, "wrong", "%s", what)
				at++
			default:
				at++
			}
		}
		passed = r.offset
	})
	if err == nil {
		lost(end)
	}
	return err
}

// snapshot judges the newest snapshot: complete, and with all records of the topic that are older than its end.
func (a *account) snapshot(ctx context.Context, b bucket, c *chain, p *partition) error {
	have := map[int64]digest{}
	last, err := a.read(ctx, b, c, func(r *record) { have[r.offset] = r.digest() })
	if err != nil {
		return err
	}
	if last == nil || !last.Complete {
		a.fault(&a.t.Holes, "incomplete", "the snapshot of %s, partition %d", c.snapshot, c.objects[0].partition)
		return nil
	}
	a.t.Snapshots++
	for _, e := range p.due {
		if e.offset >= last.Next {
			break // written since
		}
		a.t.Owed++
		switch d, ok := have[e.offset]; {
		case !ok:
			a.fault(&a.t.Lost, "lost", "%d@%d, of the snapshot of %s", c.objects[0].partition, e.offset, c.snapshot)
		case d != e.digest:
			a.fault(&a.t.Wrong, "wrong", "%d@%d, of the snapshot of %s", c.objects[0].partition, e.offset, c.snapshot)
		}
		delete(have, e.offset)
	}
	a.t.Unjudged += int64(len(have)) // compacted since
	return nil
}
