package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// ErrBlocked says that a chain is not continued until somebody acts.
var ErrBlocked = errors.New("the archive does not continue this partition")

// chain archives a partition of a topic: a log, or a compacted topic with its snapshots.
type chain struct {
	s          *Sink
	topic      schemas.Topic
	partition  int32
	partitions int32 // of the topic
	cancel     context.CancelFunc
	ctx        context.Context //nolint:containedctx // it ends when the partition goes to another process

	// The worker that has the chain uses these alone.
	id      archive.Chain
	next    int64 // where the next object begins
	fresh   bool  // there is no object yet: next is where the log began
	written int   // objects, since the hint

	// The sink's mutex guards these.
	busy    bool
	known   bool // next is what the bucket says
	done    bool // the snapshot is complete
	pace    pace
	end     int64     // of the log, -1: not told yet
	short   time.Time // since when the log is shorter than the chain
	markers time.Time // since when records that are none (ends of transactions) wait for the next object
	served  time.Time // when a worker had it last
	retry   time.Time // not before
	waits   *backoff.ExponentialBackOff
	err     error // of the last attempt
}

// hintEvery is how many objects come between two hints.
const hintEvery = 32

// markersMax is how long ends of transactions alone wait: an object without records then says that they were read.
const markersMax = time.Hour

func (c *chain) snapshot() bool { return c.topic.Compacted() }

// step does one thing: it finds out where the chain stands, or writes an object.
func (c *chain) step(ctx context.Context, b *archive.Builder, now time.Time) error {
	id := archive.Chain{Topic: c.topic, Partition: c.partition, Log: c.s.deps.Log.ID(c.topic)}
	if c.snapshot() {
		id.Snapshot = now.UTC().Truncate(c.s.cfg.Snapshots).Format(archive.SnapshotDate)
	}
	c.s.mu.Lock()
	if id != c.id { // also a topic that was created again
		c.id, c.known, c.done, c.short = id, false, false, time.Time{}
	}
	known, end, short := c.known, c.end, c.short
	c.s.mu.Unlock()
	if !known {
		return c.position(ctx, now)
	}
	if !short.IsZero() && now.Sub(short) > c.s.cfg.CutPatience {
		return c.cut(ctx, fmt.Sprintf("ends at %d and is archived up to %d", end, c.next))
	}
	if c.snapshot() {
		return c.writeSnapshot(ctx, b)
	}
	return c.writeObject(ctx, b, end)
}

// cut is the error of a log that is shorter than it was, unless it is another log: of a topic that was deleted and created again.
func (c *chain) cut(ctx context.Context, what string) error {
	if _, err := c.s.deps.Log.Partitions(ctx); err != nil { // asks for the ids, too
		return err
	}
	if c.s.deps.Log.ID(c.topic) != c.id.Log {
		return nil // the next step begins its chain
	}
	c.forget()
	return fmt.Errorf("%w: %s %s: the log was cut, and new records may stand where others stood", ErrBlocked, c.s.name(c), what)
}

// forget makes the next step ask the bucket.
func (c *chain) forget() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.known = false
}

// position asks the bucket where the chain stands.
func (c *chain) position(ctx context.Context, now time.Time) error {
	h, size, err := c.s.archive.Tail(ctx, c.id)
	if errors.Is(err, archive.ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	if err != nil {
		return err
	}
	if c.fresh = h == nil; c.fresh {
		starts, err := c.s.deps.Log.Starts(ctx, []int32{c.partition})
		if err != nil {
			return err
		}
		start, ok := starts[c.topic][c.partition]
		if !ok {
			return fmt.Errorf("%s does not tell where it begins", c.s.name(c))
		}
		c.next = start
	} else {
		c.next = h.Next
	}
	c.s.mu.Lock()
	c.pace.seen, c.pace.next, c.pace.perOffset, c.markers = nil, c.next, 0, time.Time{}
	if size > 0 && h.Next > h.First {
		c.pace.perOffset = float64(size) / float64(h.Next-h.First)
	}
	c.known, c.done = true, !c.fresh && h.Complete
	c.pace.see(c.end, now)
	waits := c.pace.waiting() > 0 && !c.snapshot()
	c.s.mu.Unlock()
	if !waits {
		return nil
	}
	// The first record may have waited longer than this process has run.
	got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, c.next, 1)
	if err != nil || len(got.Records) == 0 {
		return nil //nolint:nilerr // the step that writes finds the same
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.pace.waitedSince(got.Records[0].Timestamp, now)
	return nil
}

// header is that of the next object.
func (c *chain) header(lost int64) archive.Header {
	return archive.Header{
		Topic: c.s.deps.Log.Name(c.topic), Partition: c.partition, Partitions: c.partitions, Log: c.id.Log.String(), First: c.next, Lost: lost, Snapshot: c.id.Snapshot,
	}
}

// writeObject reads the waiting records, up to the length of an object, and writes them.
func (c *chain) writeObject(ctx context.Context, b *archive.Builder, end int64) error {
	c.s.mu.Lock()
	offset := max(c.next, c.pace.next)
	c.s.mu.Unlock()
	b.Begin(c.header(0))
	lost := int64(0)
	for full := false; offset < end && !full; {
		got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, offset, c.s.cfg.FetchBytes)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > offset:
			if b.Records() > 0 {
				full = true // the next object counts the lost offsets
				continue
			}
			if c.fresh {
				c.next = got.LogStart
			} else {
				lost = got.LogStart - offset
			}
			offset = got.LogStart
			b.Begin(c.header(lost))
			continue
		case errors.Is(err, kafka.ErrOffsetGone):
			return c.cut(ctx, fmt.Sprintf("does not hold offset %d any more", offset))
		case errors.Is(err, kafka.ErrDamaged) && b.Records() > 0:
			full = true // the next step waits at the damaged batch
			continue
		case err != nil:
			return err
		case got.Next <= offset:
			full = true // nothing that is committed
			continue
		}
		if offset, full, err = c.add(b, got); err != nil {
			return err
		}
	}
	if b.Records() == 0 && lost == 0 && !c.flushMarkers(offset) {
		return nil
	}
	return c.create(ctx, b, offset, false)
}

// add adds fetched records. It returns the next offset, and whether the object is full.
func (c *chain) add(b *archive.Builder, got kafka.Fetched) (next int64, full bool, err error) {
	const linesMax = 32 // times the object, which compresses very well then
	for _, r := range got.Records {
		if err := b.Add(r); err != nil {
			return 0, false, err
		}
		if compressed, lines := b.Size(); compressed >= c.s.cfg.ObjectBytesMax || lines >= linesMax*c.s.cfg.ObjectBytesMax {
			return r.Offset + 1, true, nil
		}
	}
	return got.Next, false, nil
}

// flushMarkers notes that no records were found up to an offset. It is true when an object should say so.
func (c *chain) flushMarkers(offset int64) bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	now := c.s.deps.Now()
	if offset > c.next && c.markers.IsZero() {
		c.markers = now
	}
	c.pace.advance(offset, 0)
	return offset > c.next && now.Sub(c.markers) >= markersMax
}

// create writes the object, and continues behind it, or behind the one that another process wrote.
func (c *chain) create(ctx context.Context, b *archive.Builder, next int64, complete bool) error {
	h, content, err := b.Finish(next, complete)
	if err != nil {
		return err
	}
	name, began := c.id.Object(c.s.cfg.Prefix, c.next), c.s.deps.Now()
	size := int64(len(content))
	err = c.s.deps.Bucket.Create(ctx, name, content)
	switch {
	case errors.Is(err, archive.ErrExists):
		if h, err = c.s.archive.Header(ctx, c.id, c.next); errors.Is(err, archive.ErrCorrupt) {
			return fmt.Errorf("%w: %w", ErrBlocked, err)
		}
		if err != nil {
			return err
		}
		if h.Next == h.First && !h.Complete {
			return fmt.Errorf("%w: %s is empty", ErrBlocked, name)
		}
		size = 0
		c.s.m.adopted.Inc()
	case err != nil:
		return fmt.Errorf("write %s: %w", name, err)
	default:
		c.s.wrote(c, h, size, began)
	}
	if c.written++; c.written%hintEvery == 0 {
		if err := c.s.archive.Hint(ctx, c.id, h.First); err != nil {
			c.s.deps.Logger.Debug("the archive has no hint", "object", name, "error", err)
		}
	}
	c.next, c.fresh = h.Next, false
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.markers, c.done = time.Time{}, h.Complete
	c.pace.advance(c.next, size)
	return nil
}

// writeSnapshot writes the next object of the period's snapshot.
func (c *chain) writeSnapshot(ctx context.Context, b *archive.Builder) error {
	b.Begin(c.header(0))
	offset := c.next
	for {
		got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, offset, c.s.cfg.FetchBytes)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > offset:
			offset = got.LogStart // compaction leaves gaps, at the begin as elsewhere
			continue
		case errors.Is(err, kafka.ErrOffsetGone):
			c.forget()
			return fmt.Errorf("%s does not hold offset %d any more", c.s.name(c), offset)
		case err != nil:
			return err
		}
		next, full, err := c.add(b, got)
		if err != nil {
			return err
		}
		offset = next
		// The end is asked for after the records, so that a key which compaction moved meanwhile is among them.
		if complete := offset >= got.LastStable; complete && !full {
			return c.create(ctx, b, offset, true)
		}
		if full || got.Next <= offset && len(got.Records) == 0 {
			return c.create(ctx, b, offset, false)
		}
	}
}
