package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
)

// cut is the error of a log that is shorter than it was, unless it is another log: of a topic that was deleted and created again.
func (c *chain) cut(ctx context.Context, end int64) error {
	if _, err := c.s.deps.Log.Partitions(ctx); err != nil { // asks for the ids, too
		return err
	}
	if c.s.deps.Log.ID(c.topic) != c.id.Log {
		return nil // the next step begins its chain
	}
	c.forget()
	return fmt.Errorf("%w: %s ends at %d and is archived up to %d: the log was cut, and new records may stand where others stood", ErrBlocked, c.s.name(c), end, c.next)
}

// whole compares the log with the last archived records, before the chain continues for the first time, and whenever the log had seemed short:
// it may have been cut, and have grown since. Without objects there is nothing to compare: a new chain, or somebody renamed the folder.
//
// A record where another one stands blocks the chain. A missing record does not: retention, or the repair of a damaged batch, may have removed
// it. But the log of a blocked chain must have the last archived record: then a broker was behind for a while.
func (c *chain) whole(ctx context.Context, h *archive.Header) error {
	c.s.mu.Lock()
	if h == nil && c.end >= c.next {
		c.short = time.Time{}
	}
	end, short, compared := c.end, !c.short.IsZero(), c.compared
	c.s.mu.Unlock()
	switch {
	case compared || h == nil || c.snapshot():
		return nil
	case end < c.next && !short:
		return nil // the survey notices it, and waits for a leader that was elected just now
	case end < c.next:
		return c.cut(ctx, end)
	}
	archived, err := c.lastRecords(ctx, h)
	if err != nil {
		return blocking(err)
	}
	has, err := c.agrees(ctx, archived)
	if errors.Is(err, kafka.ErrDamaged) && !short {
		err = nil // the unreadable record is archived
	}
	if err != nil {
		return err
	}
	if short && len(archived) > 0 && !has {
		return fmt.Errorf("%w: %s does not have its last archived record: the log was cut, and new records stand where others stood", ErrBlocked, c.s.name(c))
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.compared, c.short = true, time.Time{}
	return nil
}

// agrees compares archived records with those that the log has at their offsets. It reports whether the log has the last one.
func (c *chain) agrees(ctx context.Context, archived []*kgo.Record) (last bool, err error) {
	if len(archived) == 0 {
		return false, nil
	}
	for offset := archived[0].Offset; offset < c.next; {
		got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, offset, c.s.cfg.FetchBytes)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > offset:
			offset = got.LogStart
			continue
		case errors.Is(err, kafka.ErrOffsetGone):
			return last, nil // it has become shorter, which the survey notices
		case err != nil:
			return last, err
		}
		for _, r := range got.Records {
			if r.Offset >= c.next {
				break
			}
			if !slices.ContainsFunc(archived, func(a *kgo.Record) bool { return alike(a, r) }) {
				return last, fmt.Errorf("%w: %s has another record at offset %d than the archive: the log was cut, and new records stand where others stood", ErrBlocked, c.s.name(c), r.Offset)
			}
			last = r.Offset == archived[len(archived)-1].Offset
		}
		if got.Next <= offset {
			return last, c.stuck(offset, c.next)
		}
		offset = got.Next
	}
	return last, nil
}

// comparedMax is how many records are compared: more than one, because an offset may have become that of the end of a transaction.
const comparedMax = 4

// lastRecords are the last records of the chain's last object that has any.
func (c *chain) lastRecords(ctx context.Context, h *archive.Header) (last []*kgo.Record, err error) {
	o := archive.Object{Chain: c.id, First: h.First}
	if h.Records == 0 {
		objects, err := c.s.archive.Objects(ctx, c.id)
		if err != nil {
			return nil, err
		}
		for _, o = range slices.Backward(objects) {
			if h, err = c.s.archive.Header(ctx, o); err != nil {
				return nil, err
			}
			if h.Records > 0 {
				break
			}
		}
		if h.Records == 0 {
			return nil, nil
		}
	}
	for _, o.Encoding = range []archive.Encoding{archive.JSONL, archive.Parquet} {
		_, err = c.s.archive.Read(ctx, o, func(r *kgo.Record) error {
			if last = append(last, r); len(last) > comparedMax {
				last = slices.Delete(last, 0, 1)
			}
			return nil
		})
		if !errors.Is(err, archive.ErrNotFound) {
			break
		}
	}
	return last, err
}

func alike(a, b *kgo.Record) bool {
	return a.Offset == b.Offset && a.Timestamp.UnixMilli() == b.Timestamp.UnixMilli() && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}
