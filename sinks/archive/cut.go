package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

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

// wholeAgain decides whether a chain continues that was blocked because its log was cut. A chain with objects needs a log that has the last
// archived record: then a broker was behind for a while. Without objects, somebody renamed the folder, and a new chain begins.
func (c *chain) wholeAgain(ctx context.Context, objects bool) error {
	c.s.mu.Lock()
	end, blocked := c.end, !c.short.IsZero()
	c.s.mu.Unlock()
	if !blocked || !objects || c.snapshot() {
		return nil
	}
	if end < c.next {
		return c.cut(ctx, end)
	}
	archived, err := c.lastRecord(ctx)
	if err != nil {
		return blocking(err)
	}
	if archived != nil {
		got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, archived.Offset, 1)
		if err != nil && !errors.Is(err, kafka.ErrOffsetGone) {
			return err
		}
		if len(got.Records) > 0 && alike(got.Records[0], archived) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s does not have its last archived record: the log was cut, and new records stand where others stood", ErrBlocked, c.s.name(c))
}

// lastRecord is the last record of the chain's last object; nil: the object has none.
func (c *chain) lastRecord(ctx context.Context) (last *kgo.Record, err error) {
	objects, err := c.s.archive.Objects(ctx, c.id)
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	_, err = c.s.archive.Read(ctx, objects[len(objects)-1], func(r *kgo.Record) error {
		last = r
		return nil
	})
	return last, err
}

func alike(a, b *kgo.Record) bool {
	return a.Offset == b.Offset && a.Timestamp.UnixMilli() == b.Timestamp.UnixMilli() && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}
