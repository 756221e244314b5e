package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Fault is a fault of an archive.
type Fault struct {
	Object string `json:"object"`
	Kind   string `json:"kind"` // see the constants
	Detail string `json:"detail"`
}

// The kinds of faults.
const (
	Missing = "missing" // objects are missing
	Overlap = "overlap" // two objects have the same offsets
	Damaged = "damaged" // an object was changed after it was written
	Lost    = "lost"    // retention removed records before they were archived
)

// Checked is what a check of a chain found.
type Checked struct {
	Chain      Chain
	Objects    int
	Records    int64
	Bytes      int64 // of the objects
	First      int64
	Next       int64
	OldestMS   int64
	NewestMS   int64
	Partitions int32
	Complete   bool // the last object of a snapshot is there
	Faults     []Fault
}

// Check compares the objects of a chain, in their order, with their headers and with each other. With content, it reads every record. It fails
// where the bucket could not be read. A chain may begin anywhere: the bucket may remove old objects.
func (a *Archive) Check(ctx context.Context, objects []Object, content bool) (*Checked, error) {
	c := &Checked{Chain: objects[0].Chain, First: objects[0].First, Next: objects[0].First}
	fault := func(o Object, kind, format string, args ...any) {
		c.Faults = append(c.Faults, Fault{o.Name(a.Prefix), kind, fmt.Sprintf(format, args...)})
	}
	log := ""
	for i, o := range objects {
		c.Objects++
		c.Bytes += o.Bytes
		switch {
		case i == 0 || o.First == c.Next:
		case o.First > c.Next:
			fault(o, Missing, "no object has the offsets %d to %d before it", c.Next, o.First-1)
		default:
			fault(o, Overlap, "the object before it ends with %d", c.Next-1)
		}
		h, err := a.checkOne(ctx, o, content)
		if errors.Is(err, ErrNotFound) {
			continue // removed since it was listed; if others follow, that is a fault
		}
		if errors.Is(err, ErrCorrupt) {
			fault(o, Damaged, "%v", err)
		} else if err != nil {
			return c, err
		}
		if h == nil {
			if i+1 < len(objects) { // what it covered is not known
				c.Next = objects[i+1].First
			}
			continue
		}
		if log == "" {
			log = h.Log
		}
		if h.Log != log {
			fault(o, Damaged, "it is of the log %s, and those before it of %s", h.Log, log)
		}
		if h.Lost > 0 {
			fault(o, Lost, "retention removed %d offsets from %d on before they were archived", h.Lost, h.First)
		}
		if h.Records > 0 {
			if c.Records == 0 {
				c.OldestMS, c.NewestMS = h.Oldest, h.Newest
			}
			c.OldestMS, c.NewestMS = min(c.OldestMS, h.Oldest), max(c.NewestMS, h.Newest)
		}
		c.Records += h.Records
		c.Next, c.Complete, c.Partitions = max(c.Next, h.Next), h.Complete, h.Partitions
	}
	return c, nil
}

// checkOne returns the header where it could be read.
func (a *Archive) checkOne(ctx context.Context, o Object, content bool) (*Header, error) {
	if !content {
		return a.Header(ctx, o)
	}
	h, err := a.Read(ctx, o, func(*kgo.Record) error { return nil })
	if h != nil && h.Of(o, a.Prefix) != nil {
		h = nil
	}
	return h, err
}
