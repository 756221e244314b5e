package sinks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Sink brings the events of all partitions to a target.
type Sink struct {
	cfg  Config
	deps Deps
	m    *Meter

	damage *Damage
	places places       // of the backlog
	liveAt atomic.Int64 // when live events were last read, in Unix nanoseconds

	surveys atomic.Int64 // how often the ends of the logs were passed to the tasks

	mu      sync.Mutex
	tasks   map[int32]*running
	joined  bool // it knows its partitions, possibly none
	blocked map[int32]error
	away    map[int32]error // partitions whose last attempt failed
	broken  error           // the error of the last request to the brokers; nil: they answered
	outside error           // why it has no place in its group; nil: it has one, or needs none
	began   time.Time       // when it began to wait for its partitions
}

// running is a task with its cancellation.
type running struct {
	*task
	cancel context.CancelFunc
	ended  chan struct{}
}

// New returns a sink. It reads nothing before Run.
func New(cfg Config, deps Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("sink %s: %w", cfg.Name, err)
	}
	s := &Sink{cfg: cfg, deps: deps, tasks: map[int32]*running{}, blocked: map[int32]error{}, away: map[int32]error{}, broken: errors.New("it has not begun to read")}
	s.places.limit = s.backlogPlaces
	var err error
	s.damage = NewDamage(cfg.Name, deps.Logger, deps.Now)
	s.m, err = NewMeter(cfg.Name, deps.Registerer, s.Lag, func() int { return len(s.Blocked()) }, s.damage.Batches)
	return s, err
}

// Run reads until ctx ends. It returns when all tasks have ended; a batch that was given to the target is finished or
// undone by then.
func (s *Sink) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.began = s.deps.Now()
	s.mu.Unlock()
	partitions := s.partitions(ctx)
	if partitions == nil {
		return nil
	}
	assignment := s.deps.Assignment
	if assignment == nil {
		assignment = Alone(partitions)
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.survey(ctx) })
	err := assignment.Run(ctx, func(partitions []int32) { s.own(ctx, partitions) }, s.disown, s.excluded)
	cancel()
	wg.Wait()
	s.mu.Lock()
	left := slices.Collect(maps.Keys(s.tasks))
	s.mu.Unlock()
	s.end(left) // their results stay available
	return err
}

// partitions asks the brokers for the partitions of all topics, until they answer. The log then also knows its topics.
// nil: ctx ended.
func (s *Sink) partitions(ctx context.Context) []int32 {
	for retry := NewRetry(s.cfg.RetryMin, s.cfg.RetryMax); ; {
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

// own starts the tasks of partitions.
func (s *Sink) own(ctx context.Context, partitions []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joined, s.outside = true, nil
	for _, p := range partitions {
		if s.tasks[p] != nil || ctx.Err() != nil {
			continue
		}
		taskCtx, cancel := context.WithCancel(ctx)
		r := &running{newTask(s, p), cancel, make(chan struct{})}
		s.tasks[p] = r
		go func() {
			defer close(r.ended)
			s.keep(taskCtx, r.task)
		}()
	}
}

// excluded records that the sink has lost its place in the group, until it gets partitions again.
func (s *Sink) excluded(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.joined {
		s.joined, s.began = false, s.deps.Now()
	}
	if s.outside == nil {
		s.deps.Logger.Warn("the sink has no place in its group", "sink", s.cfg.Name, "error", err)
	}
	s.outside = err
	s.m.Retries.Inc()
}

// disown ends the tasks of partitions, and forgets them.
func (s *Sink) disown(partitions []int32) {
	s.end(partitions)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		delete(s.tasks, p)
		delete(s.blocked, p)
		delete(s.away, p)
		s.damage.Forget(p)
	}
}

// end returns when the tasks of partitions have ended.
func (s *Sink) end(partitions []int32) {
	var leaving []*running
	s.mu.Lock()
	for _, p := range partitions {
		if r := s.tasks[p]; r != nil {
			r.cancel()
			leaving = append(leaving, r)
		}
	}
	s.mu.Unlock()
	for _, r := range leaving {
		<-r.ended
	}
}

// survey asks for the ends of all logs and passes them to the tasks.
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
	joined, tasks := s.joined, slices.Collect(maps.Values(s.tasks))
	s.mu.Unlock()
	if !joined {
		return
	}
	partitions := make([]int32, 0, len(tasks))
	for _, t := range tasks {
		partitions = append(partitions, t.partition)
	}
	slices.Sort(partitions)
	if len(partitions) == 0 { // other processes have them all
		s.told(nil)
		return
	}
	ends, err := s.deps.Log.Ends(ctx, partitions)
	if ctx.Err() != nil {
		return
	}
	s.told(err)
	if err == nil {
		for _, t := range tasks {
			t.tell(ends)
		}
		s.surveys.Add(1)
	}
}

// surveyed returns how often the ends of the logs were passed to the tasks.
func (s *Sink) surveyed() int64 { return s.surveys.Load() }

// told records whether the brokers answered.
func (s *Sink) told(err error) {
	s.mu.Lock()
	changed := (err == nil) != (s.broken == nil)
	s.broken = err
	s.mu.Unlock()
	if err != nil {
		s.m.Retries.Inc()
		if changed {
			s.deps.Logger.Warn("the brokers do not answer the sink", "sink", s.cfg.Name, "error", err)
		}
	}
}

// keep runs a task, again after it lost its place, until ctx ends. While the task is blocked, keep waits for a rebuild.
func (s *Sink) keep(ctx context.Context, t *task) {
	retry := NewRetry(s.cfg.RetryMin, s.cfg.RetryMax)
	for {
		began := s.deps.Now()
		err := t.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if s.deps.Now().Sub(began) > s.cfg.RetryMax {
			retry = NewRetry(s.cfg.RetryMin, s.cfg.RetryMax)
		}
		var blocked *BlockedError
		if errors.As(err, &blocked) {
			s.mu.Lock()
			s.blocked[t.partition] = err
			s.mu.Unlock()
			s.deps.Logger.Error("the sink does not read this partition on", "sink", s.cfg.Name, "partition", t.partition, "reason", err)
			if !s.awaitOthers(ctx, t) {
				return
			}
			s.mu.Lock()
			delete(s.blocked, t.partition)
			s.mu.Unlock()
			continue
		}
		s.setAway(t.partition, err)
		s.m.Retries.Inc()
		s.deps.Logger.Warn("the sink begins with this partition again", "sink", s.cfg.Name, "partition", t.partition, "error", err)
		if !retry.Wait(ctx) {
			return
		}
	}
}

// awaitOthers returns when the positions in the target differ from those that a blocked task knows, because the target was
// rebuilt. It returns false if ctx ended.
func (s *Sink) awaitOthers(ctx context.Context, t *task) bool {
	for Pause(ctx, s.cfg.Recheck) {
		positions, err := s.deps.Target.Positions(ctx, t.partition)
		if err == nil && !maps.EqualFunc(t.stands, positions, Position.same) { // after an error it is asked again
			return true
		}
	}
	return false
}

// setAway records the result of the last attempt of a partition, and reports whether that is new.
func (s *Sink) setAway(partition int32, err error) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.away[partition]
	if err == nil {
		delete(s.away, partition)
	} else {
		s.away[partition] = err
	}
	return (was == nil) != (err == nil)
}

// Blocked returns the partitions that are not read, and why.
func (s *Sink) Blocked() map[int32]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.blocked)
}

// Ready returns why the sink does not follow the topics; nil: it does. A lag is no error.
func (s *Sink) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ps := slices.Sorted(maps.Keys(s.blocked)); len(ps) > 0 {
		return s.blocked[ps[0]]
	}
	if ps := slices.Sorted(maps.Keys(s.away)); len(ps) > 0 {
		return fmt.Errorf("partition %d: %w", ps[0], s.away[ps[0]])
	}
	if s.outside != nil {
		return s.outside
	}
	if s.broken != nil {
		return s.broken
	}
	return s.damage.Err()
}

// Lag returns how many offsets a lane is behind, and since when it has not been at the ends of its topics.
func (s *Sink) Lag(lane string) (records int64, behind time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		return 0, 0
	}
	now := s.deps.Now()
	if !s.joined {
		return 0, now.Sub(s.began)
	}
	for _, t := range s.tasks {
		n, since := t.lag(lane)
		records += n
		if since.IsZero() {
			continue
		}
		behind = max(behind, now.Sub(since))
	}
	return records, behind
}

// CaughtUp reports whether the ends of the logs are known, and all records before them are applied.
func (s *Sink) CaughtUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tasks) == 0 || s.broken != nil {
		return false
	}
	for _, t := range s.tasks {
		for _, lane := range []string{laneLive, laneBacklog} {
			if n, since := t.lag(lane); n > 0 || !since.IsZero() {
				return false
			}
		}
	}
	return true
}

func laneOf(topic schemas.Topic) string {
	if slices.Contains(backlogTopics, topic) {
		return laneBacklog
	}
	return laneLive
}
