package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
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
	next    int64            // where the next object begins
	as      archive.Encoding // of the next object, as the one before it says
	written int              // objects, since the hint

	// The sink's mutex guards these.
	busy     bool
	known    bool // next is what the bucket says
	compared bool // the log has not seemed short since it was compared with the last object
	done     bool // the snapshot is complete
	pace     pace
	end      int64       // of the log, -1: not told yet
	short    time.Time   // since when the log is shorter than the chain, or was and has not been compared since
	markers  time.Time   // since when records that are none (ends of transactions) wait for the next object
	served   time.Time   // when a worker had it last
	retry    time.Time   // not before
	waits    sinks.Retry // since the first of the failures in a row
	err      error       // of the last attempt
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
		c.id, c.known, c.compared, c.done, c.short = id, false, false, false, time.Time{}
	}
	known, end, short := c.known, c.end, c.short
	c.s.mu.Unlock()
	if !known {
		return c.position(ctx, now)
	}
	if !short.IsZero() && now.Sub(short) > c.s.cfg.CutPatience {
		return c.cut(ctx, end)
	}
	if c.snapshot() {
		return c.writeSnapshot(ctx, b)
	}
	return c.writeObject(ctx, b, end)
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
	if err == nil && h != nil {
		err = c.own(h)
	}
	if err != nil {
		return blocking(err)
	}
	var next archive.Object
	if h != nil {
		next = h.Following(c.id)
	} else if next, err = c.begin(ctx); err != nil {
		return blocking(err)
	}
	c.next, c.as = next.First, next.Encoding
	if err := c.whole(ctx, h); err != nil {
		return err
	}
	oldest, err := c.oldest(ctx)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.pace.seen, c.pace.next, c.pace.perOffset, c.markers = nil, c.next, 0, time.Time{}
	if size > 0 && h.Next > h.First {
		c.pace.perOffset = float64(size) / float64(h.Next-h.First)
	}
	c.known, c.done = true, h != nil && h.Complete
	if c.see(c.end, now); !oldest.IsZero() {
		c.pace.waitedSince(oldest, now)
	}
	return nil
}

// own holds that an object is of the chain's log, and was not brought into its folder from another one.
func (c *chain) own(h *archive.Header) error {
	if h.Log != c.id.Log.String() {
		return fmt.Errorf("%w: %s@%d is of the log %s, and the topic's log is %s", archive.ErrCorrupt, c.s.name(c), h.First, h.Log, c.id.Log)
	}
	return nil
}

// blocking is an error that blocks the chain where an object is damaged.
func blocking(err error) error {
	if errors.Is(err, archive.ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	return err
}

// begin is the first object of the chain.
func (c *chain) begin(ctx context.Context) (archive.Object, error) {
	starts, err := c.s.deps.Log.Starts(ctx, []int32{c.partition})
	if err != nil {
		return archive.Object{}, err
	}
	start, ok := starts[c.topic][c.partition]
	if !ok {
		return archive.Object{}, fmt.Errorf("%s does not tell where it begins", c.s.name(c))
	}
	return c.s.archive.Begin(ctx, archive.Object{Chain: c.id, First: start, Encoding: c.s.cfg.encoding(c.topic)})
}

// oldest is the time of the first record that waits, which may have waited longer than this process has run; zero: none waits.
func (c *chain) oldest(ctx context.Context) (time.Time, error) {
	c.s.mu.Lock()
	end := c.end
	c.s.mu.Unlock()
	if c.snapshot() {
		return time.Time{}, nil
	}
	for offset, bytesMax := c.next, int32(1); offset < end; bytesMax = c.s.cfg.FetchBytes {
		got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, offset, bytesMax)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > offset:
			offset = got.LogStart
			continue
		case errors.Is(err, kafka.ErrOffsetGone):
			return time.Time{}, nil // a log that was cut, which the survey notices
		case err != nil:
			return time.Time{}, err
		case len(got.Records) > 0:
			return got.Records[0].Timestamp, nil
		case got.Next <= offset:
			return time.Time{}, c.stuck(offset, end)
		}
		offset = got.Next // ends of transactions
	}
	return time.Time{}, nil
}

// stuck is the error of a log that has nothing before its end: a broker that does not know it yet.
func (c *chain) stuck(offset, end int64) error {
	return fmt.Errorf("%s holds nothing from offset %d on, and ends at %d", c.s.name(c), offset, end)
}

// header is that of the next object.
func (c *chain) header(lost int64) archive.Header {
	return archive.Header{
		Topic: c.s.deps.Log.Name(c.topic), Partition: c.partition, Partitions: c.partitions, Log: c.id.Log.String(), First: c.next, Lost: lost, Snapshot: c.id.Snapshot,
		NextAs: c.s.cfg.encoding(c.topic),
	}
}

// writeObject reads the waiting records, up to the length of an object, and writes them.
func (c *chain) writeObject(ctx context.Context, b *archive.Builder, end int64) error {
	c.s.mu.Lock()
	offset := max(c.next, c.pace.next)
	c.s.mu.Unlock()
	if err := b.Begin(c.header(0), c.as); err != nil {
		return err
	}
	lost := int64(0)
	for full := false; offset < end && !full; {
		got, err := c.s.deps.Log.Fetch(ctx, c.topic, c.partition, offset, c.s.cfg.FetchBytes)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > offset:
			if b.Records() > 0 {
				full = true // the next object counts the lost offsets
				continue
			}
			lost, offset = got.LogStart-offset, got.LogStart
			if err := b.Begin(c.header(lost), c.as); err != nil {
				return err
			}
			continue
		case errors.Is(err, kafka.ErrDamaged) && b.Records() > 0:
			full = true // the next step waits at the damaged batch
			continue
		case err != nil: // also of a log that was cut: the survey notices it, and waits for a leader that was elected just now
			return err
		case got.Next <= offset && b.Records() == 0 && lost == 0:
			return c.stuck(offset, end)
		case got.Next <= offset:
			full = true
			continue
		}
		if offset, full, err = c.add(b, got); err != nil {
			return err
		}
	}
	if c.s.deps.Log.ID(c.topic) != c.id.Log {
		return nil // the topic was created again while its records were read
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
	object := archive.Object{Chain: c.id, First: c.next, Encoding: c.as}
	name, began := object.Name(c.s.cfg.Prefix), c.s.deps.Now()
	size := int64(len(content))
	err = c.s.deps.Bucket.Create(ctx, name, content)
	switch {
	case errors.Is(err, archive.ErrExists):
		if h, err = c.s.archive.Header(ctx, object); err == nil {
			err = c.own(h)
		}
		if err != nil {
			return blocking(err)
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
		if err := c.s.archive.Hint(ctx, object); err != nil {
			c.s.deps.Logger.Debug("the archive has no hint", "object", name, "error", err)
		}
	}
	c.next, c.as = h.Next, h.Following(c.id).Encoding
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.markers, c.done = time.Time{}, h.Complete
	c.pace.advance(c.next, size)
	return nil
}

// writeSnapshot writes the next object of the period's snapshot.
func (c *chain) writeSnapshot(ctx context.Context, b *archive.Builder) error {
	if err := b.Begin(c.header(0), c.as); err != nil {
		return err
	}
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
		at := offset
		next, full, err := c.add(b, got)
		if err != nil {
			return err
		}
		offset = next
		switch {
		case c.s.deps.Log.ID(c.topic) != c.id.Log:
			return nil // as for a log
		case full:
			return c.create(ctx, b, offset, false)
		case offset >= got.LastStable:
			// The end is asked for after the records, so that a key which compaction moved meanwhile is among them.
			return c.create(ctx, b, offset, true)
		case offset <= at:
			return c.stuck(offset, got.LastStable)
		}
	}
}
