package sinks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// task reads one partition of all topics. Only run uses the fields that are not under mu.
type task struct {
	s         *Sink
	partition int32
	bell      chan struct{} // rings when there are newer ends

	reading map[schemas.Topic]*reading
	stands  map[schemas.Topic]Position // the target's positions, as far as the task knows
	asked   time.Time                  // when the target was last asked for them
	place   chan struct{}              // of the backlog, or in its queue; nil: none was asked for
	pace    pace                       // of the backlog
	limit   int                        // records of a step since the target was too slow for more; 0: no limit

	mu    sync.Mutex
	told  map[schemas.Topic]int64 // the newest known ends; nil: none
	at    time.Time               // when they became known
	next  map[schemas.Topic]int64 // the positions of the target
	since map[string]time.Time    // by lane: since when it is behind its end
}

// reading is the progress in a topic of the partition.
type reading struct {
	topic    schemas.Topic
	position Position // of the target
	from     int64    // position.Next, or -1 if the target has none
	short    time.Time

	// The fetched records that are not applied yet, and the end of the fetch.
	records []*kgo.Record
	after   int64
}

func newTask(s *Sink, partition int32) *task {
	now := s.deps.Now()
	return &task{
		s: s, partition: partition, bell: make(chan struct{}, 1),
		next: map[schemas.Topic]int64{}, since: map[string]time.Time{laneLive: now, laneBacklog: now},
	}
}

// tell passes the ends of the logs to the task.
func (t *task) tell(ends map[schemas.Topic]map[int32]int64) {
	mine := map[schemas.Topic]int64{}
	for topic, of := range ends {
		if end, ok := of[t.partition]; ok {
			mine[topic] = end
		}
	}
	t.mu.Lock()
	t.told, t.at = mine, t.s.deps.Now()
	t.mu.Unlock()
	select {
	case t.bell <- struct{}{}:
	default: // it rings already
	}
}

// newest returns the newest known ends, and when they became known.
func (t *task) newest() (map[schemas.Topic]int64, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told, t.at
}

// lag returns how many offsets a lane is behind the newest ends, and since when; zero: it is not behind.
func (t *task) lag(lane string) (records int64, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic, end := range t.told {
		if laneOf(topic) == lane {
			records += max(0, end-t.next[topic])
		}
	}
	return records, t.since[lane]
}

// run reads until ctx ends, the target has other positions, or the partition is blocked.
func (t *task) run(ctx context.Context) error {
	defer t.leave()
	if err := t.resume(ctx); err != nil {
		return err
	}
	for first := true; ; first = false {
		select {
		case <-t.bell:
		case <-ctx.Done():
			return ctx.Err()
		}
		ends, _ := t.newest()
		if first {
			if err := t.tombstonesKept(ends); err != nil {
				return err
			}
		}
		if t.appeared(ends) {
			if err := t.resume(ctx); err != nil {
				return err
			}
		}
		if err := t.longEnough(ends); err != nil {
			return err
		}
		for moved := true; moved; {
			ends, at := t.newest() // live records come first, as soon as they arrive
			var err error
			moved, err = t.round(ctx, ends)
			t.note(ends, at)
			if err != nil {
				return err
			}
			if err := t.recheck(ctx); err != nil {
				return err
			}
		}
		if err := t.heartbeat(ctx); err != nil {
			return err
		}
		t.s.setAway(t.partition, nil)
	}
}

// resume reads the positions of the target.
func (t *task) resume(ctx context.Context) error {
	positions, err := t.s.deps.Target.Positions(ctx, t.partition)
	if err != nil {
		return fmt.Errorf("ask the target for its positions: %w", err)
	}
	t.stands = maps.Clone(positions)
	starts, err := t.s.deps.Log.Starts(ctx, []int32{t.partition})
	if err != nil {
		return err
	}
	t.reading, t.asked = map[schemas.Topic]*reading{}, t.s.deps.Now()
	t.s.damage.Forget(t.partition)
	for _, topic := range TableTopics() {
		id := t.s.deps.Log.ID(topic)
		r := &reading{topic: topic, position: positions[topic]}
		if r.from = r.position.Next; r.position.At.IsZero() {
			start, ok := starts[topic][t.partition]
			if !ok && Optional(topic) {
				continue
			}
			if !ok {
				return fmt.Errorf("%s/%d does not tell where it begins", t.s.deps.Log.Name(topic), t.partition)
			}
			r.from, r.position.Next = -1, start
		} else if none := [16]byte{}; r.position.Log != id && r.position.Log != none && id != none {
			return t.block(r, "the topic was deleted and made again, so that offsets do not mean what they meant")
		}
		r.position.Log, r.after = id, r.position.Next
		t.reading[topic] = r
	}
	t.note(nil, time.Time{})
	return nil
}

// appeared reports whether there is a topic that was missing.
func (t *task) appeared(ends map[schemas.Topic]int64) bool {
	for topic := range ends {
		if t.reading[topic] == nil {
			return true
		}
	}
	return false
}

func (t *task) block(r *reading, why string) error {
	t.s.damage.Forget(t.partition, r.topic)
	return &BlockedError{Topic: t.s.deps.Log.Name(r.topic), Partition: t.partition, Next: r.position.Next, Why: why, Rebuild: t.s.cfg.Rebuild}
}

// note publishes the progress of the task towards ends that were seen at a time.
func (t *task) note(ends map[schemas.Topic]int64, seen time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	behind := map[string]bool{}
	for topic, r := range t.reading {
		t.next[topic] = r.position.Next
		if end, ok := ends[topic]; ok {
			behind[laneOf(topic)] = behind[laneOf(topic)] || r.position.Next < end
		}
	}
	if seen.IsZero() {
		return
	}
	for _, lane := range []string{laneLive, laneBacklog} {
		switch {
		case !behind[lane]:
			t.since[lane] = time.Time{}
		case t.since[lane].IsZero():
			t.since[lane] = seen
		}
	}
}

// tombstonesKept checks that no tombstone was removed unread while nobody read.
func (t *task) tombstonesKept(ends map[schemas.Topic]int64) error {
	for topic, r := range t.reading {
		kept := t.s.cfg.tombstones(topic)
		if kept == 0 || r.from < 0 || ends[topic] <= r.position.Next {
			continue
		}
		if away := t.s.deps.Now().Sub(r.position.At); away > kept {
			return t.block(r, fmt.Sprintf("the sink was away for %s, and tombstones are kept for %s: removals may be missing", away.Round(time.Minute), kept))
		}
	}
	return nil
}

// longEnough checks that no log ends before its read records.
func (t *task) longEnough(ends map[schemas.Topic]int64) error {
	now := t.s.deps.Now()
	for topic, r := range t.reading {
		end, ok := ends[topic]
		switch {
		case !ok || end >= r.position.Next:
			r.short = time.Time{}
		case r.short.IsZero():
			r.short = now
		case now.Sub(r.short) > t.s.cfg.CutPatience:
			return t.block(r, fmt.Sprintf("the log ends at %d: it was cut, and new records may stand where others stood", end))
		}
	}
	return nil
}

// round applies one batch: live records, or else backlog. moved is false if there was none.
func (t *task) round(ctx context.Context, ends map[schemas.Topic]int64) (moved bool, err error) {
	for _, lane := range []struct {
		topics []schemas.Topic
		bytes  int32
		live   bool
	}{{liveOfTables, t.s.cfg.LiveBytesMax, true}, {backlogTopics, t.s.cfg.BacklogBytesMax, false}} {
		waits := false
		for _, topic := range lane.topics {
			r := t.reading[topic]
			if r == nil {
				continue
			}
			if err := t.fill(ctx, r, ends[topic], lane.bytes); err != nil {
				return false, err
			}
			waits = waits || r.waits()
		}
		if !waits {
			continue
		}
		if !lane.live {
			if admitted, err := t.admitted(ctx); err != nil || !admitted {
				return err == nil, err
			}
		}
		err := t.step(ctx, lane.topics, lane.live)
		if !lane.live {
			t.leave()
		}
		if err != nil {
			return false, err
		}
		return true, nil
	}
	return false, nil
}

// step applies the fetched records of topics, as many as a step may have.
func (t *task) step(ctx context.Context, topics []schemas.Topic, live bool) error {
	w := &work{live: live, to: map[schemas.Topic]int64{}}
	most := t.stepMax(live)
	for _, topic := range topics {
		if r := t.reading[topic]; r != nil {
			r.take(w, most)
		}
	}
	if live && len(w.items) > 0 {
		t.s.sawLive()
	}
	began := t.s.deps.Now()
	if err := t.apply(ctx, w); err != nil || live {
		return err
	}
	took := t.s.deps.Now().Sub(began)
	t.pace.took(took, len(w.items))
	if t.s.cfg.Considerate {
		t.yield(ctx, took)
	}
	return nil
}

// yield leaves the machine to others for a while, or until a live record arrives.
func (t *task) yield(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-t.bell:
		}
		if t.liveNews() {
			return
		}
	}
}

// fill fetches records when none is left of the last fetch, and none at a damaged batch.
func (t *task) fill(ctx context.Context, r *reading, end int64, bytesMax int32) error {
	if len(r.records) > 0 || r.after > r.position.Next || r.position.Next >= end || t.s.damage.Waits(r.topic, t.partition) {
		return nil
	}
	for retry := NewRetry(t.s.cfg.RetryMin, t.s.cfg.RetryMax); ; {
		got, err := t.s.deps.Log.Fetch(ctx, r.topic, t.partition, r.position.Next, bytesMax)
		switch {
		case err == nil:
			r.records, r.after = got.Records, got.Next
			if !t.s.damage.Passed(r.topic, t.partition, r.position.Next, got.Next) {
				return nil
			}
			return t.tombstonesKept(map[schemas.Topic]int64{r.topic: end})
		case errors.Is(err, kafka.ErrDamaged):
			t.s.m.Retries.Inc()
			t.s.damage.Found(r.topic, t.partition, err)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > r.position.Next:
			return t.block(r, fmt.Sprintf("retention removed the records before %d unread; `coexstream replay` brings events back from the raw log or the archive", got.LogStart))
		case errors.Is(err, kafka.ErrOffsetGone):
			return t.block(r, "the log does not hold this offset any more: it was cut")
		}
		if t.s.setAway(t.partition, err) {
			t.s.deps.Logger.Warn("the sink cannot read", "sink", t.s.cfg.Name, "error", err)
		}
		t.s.m.Retries.Inc()
		if !retry.Wait(ctx) {
			return ctx.Err()
		}
	}
}

// waits reports whether something was fetched that is not applied yet, possibly only offsets without records.
func (r *reading) waits() bool { return r.after > r.position.Next || len(r.records) > 0 }

// take moves records into a batch that has room for more.
func (r *reading) take(w *work, recordsMax int) {
	room := recordsMax - len(w.items)
	if !r.waits() || room <= 0 {
		return
	}
	n := min(room, len(r.records))
	for _, rec := range r.records[:n] {
		w.items = append(w.items, item{r.topic, rec})
	}
	if r.records = r.records[n:]; len(r.records) == 0 {
		w.to[r.topic], r.records = r.after, nil
		return
	}
	w.to[r.topic] = r.records[0].Offset
}

// recheck checks that the target has the positions that the task believes, also for topics without new records.
func (t *task) recheck(ctx context.Context) error {
	if t.s.deps.Now().Sub(t.asked) < t.s.cfg.Recheck {
		return nil
	}
	positions, err := t.s.deps.Target.Positions(ctx, t.partition)
	if err != nil {
		return fmt.Errorf("ask the target for its positions: %w", err)
	}
	for topic, r := range t.reading {
		if p, ok := positions[topic]; ok != (r.from >= 0) || ok && p.Next != r.from {
			return fmt.Errorf("%s/%d: %w", topic, t.partition, ErrFenced)
		}
	}
	t.asked = t.s.deps.Now()
	return nil
}

// heartbeat writes positions again that have not changed for long. Their age shows whether tombstones were missed.
func (t *task) heartbeat(ctx context.Context) error {
	w := &work{live: true, to: map[schemas.Topic]int64{}}
	for topic, r := range t.reading {
		if t.s.damage.Has(topic, t.partition) {
			continue // tombstones behind the damaged batch are unread
		}
		if t.s.cfg.tombstones(topic) > 0 && t.s.deps.Now().Sub(r.position.At) > t.s.cfg.Heartbeat {
			w.to[topic] = r.position.Next
		}
	}
	if len(w.to) == 0 {
		return nil
	}
	return t.apply(ctx, w)
}
