package archive

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/sinks"
)

// Sink writes the chains of its partitions. Its place in the group resembles that of sinks.Sink on purpose: that one has a
// goroutine and one batch for each partition, this one a few workers for all chains (ADR 0064).
type Sink struct {
	cfg     Config
	deps    Deps
	archive *archive.Archive
	m       *metrics

	mu      sync.Mutex
	turn    *sync.Cond // something changed that workers or disown wait for
	chains  []*chain
	joined  bool  // it knows its partitions, of which there may be none
	outside error // why it has no place in its group; nil: it has one, or needs none
	bucket  error // why the bucket cannot be used; nil: it can
	broken  error // the error of the last question to the brokers; nil: they answered
}

// New prepares a sink. Nothing is read before Run.
func New(cfg Config, deps Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("sink archive: %w", err)
	}
	s := &Sink{cfg: cfg, deps: deps, archive: &archive.Archive{Bucket: deps.Bucket, Prefix: cfg.Prefix}, broken: errors.New("it has not begun to read")}
	s.turn = sync.NewCond(&s.mu)
	var err error
	s.m, err = newMetrics(s, deps.Registerer)
	return s, err
}

// Run archives until ctx ends. It returns when no object is being written any more.
func (s *Sink) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	builders := make([]*archive.Builder, s.cfg.Writers)
	for i := range builders {
		var err error
		if builders[i], err = archive.NewBuilder(); err != nil {
			return err
		}
	}
	if !s.prepare(ctx) {
		return nil
	}
	partitions := s.partitions(ctx)
	if partitions == nil {
		return nil
	}
	assignment := s.deps.Assignment
	if assignment == nil {
		assignment = sinks.Alone(partitions)
	}
	defer context.AfterFunc(ctx, s.wake)()
	var wg sync.WaitGroup
	wg.Go(func() { s.survey(ctx) })
	for _, b := range builders {
		wg.Go(func() { s.work(ctx, b) })
	}
	err := assignment.Run(ctx, func(owned []int32) { s.own(ctx, owned, int32(len(partitions))) }, s.disown, s.excluded)
	cancel()
	wg.Wait()
	return err
}

// prepare holds that the bucket can be written, and waits for it. It is false when ctx ended.
func (s *Sink) prepare(ctx context.Context) bool {
	for retry := s.retry(); ; {
		err := s.archive.Prepare(ctx)
		s.mu.Lock()
		changed := (err == nil) != (s.bucket == nil)
		s.bucket = err
		s.mu.Unlock()
		if err == nil {
			return true
		}
		s.m.retries.Inc()
		if changed {
			s.deps.Logger.Error("the archive cannot use its bucket", "error", err)
		}
		if !retry.Wait(ctx) {
			return false
		}
	}
}

// partitions asks for those of all topics, until the brokers tell. nil: ctx ended.
func (s *Sink) partitions(ctx context.Context) []int32 {
	for retry := s.retry(); ; {
		partitions, err := s.deps.Log.Partitions(ctx)
		if err == nil {
			return partitions
		}
		s.told(err)
		if !retry.Wait(ctx) {
			return nil
		}
	}
}

func (s *Sink) retry() sinks.Retry { return sinks.NewRetry(s.cfg.RetryMin, s.cfg.RetryMax) }

// own begins with partitions, of so many.
func (s *Sink) own(ctx context.Context, owned []int32, partitions int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joined, s.outside = true, nil
	for _, p := range owned {
		if slices.ContainsFunc(s.chains, func(c *chain) bool { return c.partition == p }) || ctx.Err() != nil {
			continue
		}
		for _, topic := range s.cfg.Topics {
			if topic.Compacted() && s.cfg.Snapshots == 0 {
				continue
			}
			c := &chain{s: s, topic: topic, partition: p, partitions: partitions, end: -1}
			c.ctx, c.cancel = context.WithCancel(ctx)
			c.pace = pace{rotation: s.cfg.Rotation, early: s.early(c), bytesMax: s.cfg.ObjectBytesMax}
			s.chains = append(s.chains, c)
		}
	}
	s.turn.Broadcast()
}

// early spreads the objects of the chains over a tenth of the rotation.
func (s *Sink) early(c *chain) time.Duration {
	const steps = 1 << 16
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s/%d", c.topic, c.partition)
	return s.cfg.Rotation / 10 * time.Duration(h.Sum32()%steps) / steps
}

// disown ends with partitions. It returns when no worker has them.
func (s *Sink) disown(partitions []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var leaving []*chain
	s.chains = slices.DeleteFunc(s.chains, func(c *chain) bool {
		leaves := slices.Contains(partitions, c.partition)
		if leaves {
			c.cancel()
			leaving = append(leaving, c)
		}
		return leaves
	})
	for slices.ContainsFunc(leaving, func(c *chain) bool { return c.busy }) {
		s.turn.Wait()
	}
}

// excluded notes that the sink has lost its place in the group, until it gets partitions again.
func (s *Sink) excluded(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outside == nil {
		s.deps.Logger.Warn("the sink has no place in its group", "sink", "archive", "error", err)
	}
	s.joined, s.outside = false, err
	s.m.retries.Inc()
}

// survey asks for the ends of all logs.
func (s *Sink) survey(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	for {
		s.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Sink) look(ctx context.Context) {
	s.mu.Lock()
	var partitions []int32
	for _, c := range s.chains {
		partitions = append(partitions, c.partition)
	}
	s.mu.Unlock()
	slices.Sort(partitions)
	if partitions = slices.Compact(partitions); len(partitions) == 0 {
		return
	}
	ends, err := s.deps.Log.Ends(ctx, partitions)
	if ctx.Err() != nil {
		return
	}
	s.told(err)
	if err != nil {
		return
	}
	now := s.deps.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chains {
		if end, ok := ends[c.topic][c.partition]; ok {
			c.see(end, now)
		}
	}
	s.turn.Broadcast()
}

// see takes the end of the chain's log. The sink's mutex is held.
func (c *chain) see(end int64, now time.Time) {
	if c.end = end; !c.known {
		return
	}
	if c.pace.see(end, now); c.snapshot() {
		return
	}
	switch {
	case end < c.pace.next && c.short.IsZero():
		c.short, c.compared = now, false
	case end >= c.pace.next && !c.short.IsZero():
		c.known = false // it may have grown with other records
	}
}

// told notes whether the brokers answered.
func (s *Sink) told(err error) {
	s.mu.Lock()
	changed := (err == nil) != (s.broken == nil)
	s.broken = err
	s.mu.Unlock()
	if err != nil {
		s.m.retries.Inc()
		if changed {
			s.deps.Logger.Warn("the brokers do not answer the sink", "sink", "archive", "error", err)
		}
	}
}

// wake lets everybody look again.
func (s *Sink) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn.Broadcast()
}

// work serves chains until ctx ends.
func (s *Sink) work(ctx context.Context, b *archive.Builder) {
	for c := s.take(ctx); c != nil; c = s.take(ctx) {
		err := c.step(c.ctx, b, s.deps.Now())
		s.give(c, err)
	}
}

// take is the chain whose turn it is, of those that are due the one that waited longest for a worker. nil: ctx ended.
func (s *Sink) take(ctx context.Context) *chain {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ctx.Err() == nil {
		var first *chain
		now := s.deps.Now()
		for _, c := range s.chains {
			if !c.busy && !now.Before(c.retry) && c.ctx.Err() == nil && c.due(now) && (first == nil || c.served.Before(first.served)) {
				first = c
			}
		}
		if first != nil {
			first.busy, first.served = true, now
			return first
		}
		s.turn.Wait() // the survey rings
	}
	return nil
}

// due reports whether there is something to do. The sink's mutex is held.
func (c *chain) due(now time.Time) bool {
	switch {
	case c.end < 0: // the brokers have not told
		return false
	case !c.known, !c.short.IsZero() && now.Sub(c.short) > c.s.cfg.CutPatience:
		return true
	case c.snapshot():
		return !c.done || now.UTC().Truncate(c.s.cfg.Snapshots).Format(archive.SnapshotDate) != c.id.Snapshot
	case !c.markers.IsZero() && now.Sub(c.markers) >= markersMax:
		return true
	}
	at, waits := c.pace.due()
	return waits && !now.Before(at)
}

// give takes a chain back, with what its step came to.
func (s *Sink) give(c *chain, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turn.Broadcast()
	c.busy = false
	if c.ctx.Err() != nil {
		return // it was ended, and so was the step
	}
	was := c.err
	if c.err = err; err == nil {
		c.retry = time.Time{}
		if was != nil {
			s.deps.Logger.Info("the archive continues", "topic", c.topic.String(), "partition", c.partition)
		}
		return
	}
	s.m.retries.Inc()
	if was == nil {
		c.waits = s.retry()
	}
	wait := c.waits.Next()
	if errors.Is(err, ErrBlocked) {
		wait = s.cfg.BlockedRetry
	}
	c.retry = s.deps.Now().Add(wait)
	switch {
	case errors.Is(err, ErrBlocked) && !errors.Is(was, ErrBlocked):
		s.deps.Logger.Error("the archive does not continue a partition", "topic", c.topic.String(), "partition", c.partition, "reason", err)
	case was == nil:
		s.deps.Logger.Warn("the archive tries again", "topic", c.topic.String(), "partition", c.partition, "error", err)
	}
}

// wrote counts an object.
func (s *Sink) wrote(c *chain, h *archive.Header, bytes int64, began time.Time) {
	s.m.objects.Inc()
	s.m.records.Add(float64(h.Records))
	s.m.bytes.Add(float64(bytes))
	s.m.write.Observe(s.deps.Now().Sub(began).Seconds())
	if h.Lost > 0 {
		s.m.lost.Add(float64(h.Lost))
		s.deps.Logger.Error("retention removed records before they were archived", "topic", c.topic.String(), "partition", c.partition, "first", h.First, "offsets", h.Lost)
	}
}

// name is the full name of the chain's partition.
func (s *Sink) name(c *chain) string {
	return fmt.Sprintf("%s/%d", s.deps.Log.Name(c.topic), c.partition)
}
