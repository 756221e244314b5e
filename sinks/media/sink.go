package media

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media/plan"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Topics are those that the sink reads: the events with assets, and its own records.
func Topics() []schemas.Topic { return append(plan.Topics(), schemas.TopicAssets) }

// Sink downloads the assets of the partitions that its group gives to the process.
type Sink struct {
	cfg    Config
	deps   Deps
	m      *metrics
	damage *sinks.Damage
	stage  stage
	rate   *rate.Limiter
	total  atomic.Int64 // bytes of the contents in the bucket, if there is a limit

	trimming sync.Mutex // partial downloads are removed by one at a time

	turns      chan struct{} // rings when an asset may be due
	committing chan struct{} // has room for one commit

	mu      sync.Mutex
	plan    *plan.Plan
	readers map[int32]*reader
	ends    map[schemas.Topic]map[int32]int64
	broken  map[string]error     // failures by kind
	behind  map[string]time.Time // since when a lane has records that are not read
	stopped bool

	working sync.WaitGroup
}

// New prepares a sink. Nothing is read before Run.
func New(cfg Config, deps Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("sink media: %w", err)
	}
	s := &Sink{
		cfg: cfg, deps: deps, behind: map[string]time.Time{}, stage: stage{cfg.Dir}, turns: make(chan struct{}, 1), committing: make(chan struct{}, 1), readers: map[int32]*reader{},
		rate: rate.NewLimiter(rate.Limit(cfg.RequestsMax), max(1, int(cfg.RequestsMax))), broken: map[string]error{stepGroup: errors.New("it has no partitions yet")},
		plan: plan.New(plan.Limits{Slots: cfg.Slots, HeldMax: cfg.HeldMax, RetryMin: cfg.RetryMin, RetryMax: cfg.RetryMax}),
	}
	s.damage = sinks.NewDamage(name, deps.Logger, deps.Now)
	var err error
	s.m, err = newMetrics(s)
	return s, err
}

const name = "media"

// The steps that can fail.
const (
	stepGroup   = "its group"
	stepBrokers = "the brokers"
	stepCommit  = "the commit of its positions"
	stepPublish = "the topic of the assets"
	stepOwn     = "its disk or the bucket"
	stepTotal   = "room in the bucket"
)

// Run downloads until ctx ends. Downloads that are cut off by the end are continued by the next process.
func (s *Sink) Run(ctx context.Context) error {
	for failures := 1; ; failures++ {
		err := s.prepare(ctx)
		s.note(stepOwn, err)
		if err == nil {
			break
		}
		if !sinks.Pause(ctx, s.pause(failures)) {
			return nil
		}
	}
	member, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	var wg sync.WaitGroup
	wg.Go(func() { s.survey(ctx) })
	wg.Go(func() { s.dispatch(ctx) })
	wg.Go(func() { s.commit(ctx) })
	ended := make(chan error, 1)
	go func() { ended <- s.deps.Group.Run(member, s.own, s.disown, func(err error) { s.note(stepGroup, err) }) }()
	var err error
	select {
	case err = <-ended:
		ended <- err
		s.note(stepGroup, err)
		<-ctx.Done()
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.stopped = true
	owned := slices.Collect(maps.Keys(s.readers))
	s.mu.Unlock()
	s.disown(owned) // commits as a member
	leave()
	err = errors.Join(err, <-ended)
	s.working.Wait()
	wg.Wait()
	return err
}

// prepare makes the folder of the downloads, and measures the bucket if its contents are limited.
func (s *Sink) prepare(ctx context.Context) error {
	if err := s.stage.prepare(s.deps.Now(), s.cfg.Life); err != nil {
		return err
	}
	if s.cfg.TotalBytesMax == 0 {
		return nil
	}
	sum := int64(0)
	err := s.deps.Bucket.List(ctx, plan.ObjectFolder, func(_ string, bytes int64) error {
		sum += bytes
		return nil
	})
	s.total.Store(sum)
	return err
}

// pause is the wait after so many failures in a row.
func (s *Sink) pause(failures int) time.Duration {
	return min(s.cfg.RetryMin<<min(failures-1, 10), s.cfg.CutPatience)
}

// note notes that a step fails, or works again.
func (s *Sink) note(step string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.broken[step]
	if err == nil {
		delete(s.broken, step)
		return
	}
	s.broken[step] = err
	s.m.meter.Retries.Inc()
	if was == nil {
		s.deps.Logger.Warn("the media sink waits", "for", step, "error", err)
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it rings already
	}
}

// survey asks for the ends of the logs.
func (s *Sink) survey(ctx context.Context) {
	var partitions []int32
	for {
		var err error
		if partitions == nil {
			partitions, err = s.deps.Log.Partitions(ctx)
		}
		var ends map[schemas.Topic]map[int32]int64
		if err == nil {
			ends, err = s.deps.Log.Ends(ctx, partitions)
		}
		if ctx.Err() != nil {
			return
		}
		s.note(stepBrokers, err)
		s.mu.Lock()
		if err == nil {
			s.mark(s.deps.Now()) // before the new ends: a record may wait for one look
			s.ends = ends
		}
		for _, r := range s.readers {
			ring(r.bell)
		}
		s.mu.Unlock()
		if !sinks.Pause(ctx, s.cfg.Poll) {
			return
		}
	}
}

func (s *Sink) own(partitions []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.broken, stepGroup)
	for _, p := range partitions {
		if s.readers[p] == nil && !s.stopped {
			r := newReader(s, p)
			s.readers[p] = r
			go r.run()
		}
	}
}

// disown gives partitions away. Their downloads end, records that are being written are awaited, and positions are committed.
func (s *Sink) disown(partitions []int32) {
	var leaving []*reader
	s.mu.Lock()
	for _, p := range partitions {
		if r := s.readers[p]; r != nil && !r.leaving {
			r.leaving = true
			leaving = append(leaving, r)
			s.plan.Drain(p)
			r.cancel()
		}
	}
	s.mu.Unlock()
	for _, r := range leaving {
		<-r.ended
		r.working.Wait()
	}
	if len(leaving) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.CutPatience)
		s.commitOnce(ctx)
		cancel()
	}
	s.mu.Lock()
	for _, r := range leaving {
		s.plan.Disown(r.partition)
		s.damage.Forget(r.partition)
		delete(s.readers, r.partition)
		delete(s.broken, r.kind())
	}
	s.mu.Unlock()
	ring(s.turns)
}

// idle is the longest wait of the dispatcher: the lease of the group is looked at again.
const idle = time.Second

// dispatch starts the attempts that are due.
func (s *Sink) dispatch(ctx context.Context) {
	for {
		timer := time.NewTimer(s.start(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-s.turns:
			timer.Stop()
		}
	}
}

// start starts the attempts that are due, and returns the wait until others may be.
func (s *Sink) start(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		now := s.deps.Now()
		if s.stopped || ctx.Err() != nil || !s.deps.Group.Leased(now) {
			return idle
		}
		items, outcomes := s.plan.GiveUp(now)
		for i, it := range items {
			s.work(it, outcomes[i])
		}
		it := s.plan.Next(now)
		if it == nil {
			if at := s.plan.Wake(); !at.IsZero() {
				return max(time.Millisecond, min(idle, at.Sub(now)))
			}
			return idle
		}
		s.work(it, nil)
	}
}

// work attempts an asset, unless its outcome is known, and publishes the outcome. The caller holds mu.
func (s *Sink) work(it *plan.Item, outcome *schemas.Asset) {
	r := s.readers[it.Partition]
	r.working.Add(1)
	s.working.Go(func() {
		defer r.working.Done()
		if outcome == nil {
			outcome = s.try(r, it)
			ring(s.turns)
		}
		if outcome != nil {
			r.publish(it, outcome)
			ring(s.turns)
		}
	})
}

// try makes an attempt. It returns nil if there will be another one.
func (s *Sink) try(r *reader, it *plan.Item) *schemas.Asset {
	began := s.deps.Now()
	result := s.attempt(r.ctx, it)
	now := s.deps.Now()
	s.m.attempted(it, &result, now.Sub(began))
	if r.ctx.Err() != nil && result.Kind != plan.Stored {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.plan.Released(it, now)
		return nil
	}
	switch {
	case result.Kind == plan.Own && result.Detail == errTotal.Error():
		s.note(stepTotal, errTotal)
	case result.Kind == plan.Own:
		s.note(stepOwn, errors.New(result.Detail))
	case it.Asset.SHA256 != "" || result.Kind == plan.Stored: // the bucket answered
		s.note(stepOwn, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	outcome := s.plan.Done(it, result, now)
	if outcome == nil {
		s.deps.Logger.Debug("an asset is tried again", "partition", it.Partition, "offset", it.Offset, "topic", it.Topic.String(), "result", result.Kind.String(), "detail", result.Detail)
	}
	return outcome
}

// commit commits positions, until ctx ends.
func (s *Sink) commit(ctx context.Context) {
	for sinks.Pause(ctx, s.cfg.Settle) {
		s.commitOnce(ctx)
	}
}

// commitOnce commits what changed, with the place up to which the records of the assets are part of the positions.
func (s *Sink) commitOnce(ctx context.Context) {
	s.committing <- struct{}{}
	defer func() { <-s.committing }()
	s.mu.Lock()
	positions := s.plan.Commit()
	offsets := map[schemas.Topic]map[int32]sinks.Committed{}
	for place, p := range positions {
		put(offsets, place, &p)
		if r := s.readers[place.Partition]; r != nil {
			put(offsets, queue.Place{Topic: schemas.TopicAssets, Partition: place.Partition}, &r.assets)
		}
	}
	s.mu.Unlock()
	if positions == nil {
		return
	}
	err := s.deps.Group.Commit(ctx, offsets)
	if err != nil {
		s.mu.Lock()
		s.plan.Uncommitted(positions)
		s.mu.Unlock()
	}
	s.note(stepCommit, err)
}

func put(offsets map[schemas.Topic]map[int32]sinks.Committed, place queue.Place, p *queue.Position) {
	if offsets[place.Topic] == nil {
		offsets[place.Topic] = map[int32]sinks.Committed{}
	}
	offsets[place.Topic][place.Partition] = sinks.Committed{Next: p.Next, Metadata: p.Metadata()}
}

// Ready returns the reason why the sink cannot read, store, publish or commit.
func (s *Sink) Ready() error {
	s.mu.Lock()
	var err error
	for _, what := range slices.Sorted(maps.Keys(s.broken)) {
		err = errors.Join(err, fmt.Errorf("%s: %w", what, s.broken[what]))
	}
	s.mu.Unlock()
	return errors.Join(err, s.damage.Err())
}

// Trouble returns why assets of some businesses are not downloaded.
func (s *Sink) Trouble() error {
	c := s.census()
	var denied, hidden error
	if c.Denied > 0 {
		denied = fmt.Errorf("the assets of %d businesses wait for a token that the provider accepts", c.Denied)
	}
	if c.Hidden > 0 {
		hidden = fmt.Errorf("%d assets wait: the provider does not know them, or the token lacks the permission to see them", c.Hidden)
	}
	return errors.Join(denied, hidden)
}

func (s *Sink) census() plan.Census {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan.Census()
}
