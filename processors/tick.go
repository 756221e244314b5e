package processors

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/coexstream/coexstream/schemas"
)

// tick has the time that passes, for each partition that has been read to its end.
type tick map[int32]time.Time

// tick lists the end offsets of the inputs, at most once per TickEvery. It returns the partitions that have been read
// up to them. Their cores have seen every webhook that was acknowledged TickGrace earlier, so time may pass up to then.
func (s *session) tick(ctx context.Context) tick {
	now := s.p.deps.Now()
	if now.Sub(s.lastTick) < s.cfg.TickEvery || len(s.runners)+len(s.blocked) == 0 {
		return nil
	}
	s.lastTick = now
	names := s.cfg.inputs()
	askCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ends, err := s.adm.ListCommittedOffsets(askCtx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		s.p.log.Debug("cannot list end offsets; no time passes", "error", err)
		return nil
	}
	t := tick{}
	replaying := 0
	for partition, r := range s.runners {
		if r == nil {
			continue
		}
		caughtUp := s.behind(r, ends, now)
		if r.core.Replays() > 0 {
			replaying++
		}
		if r.core.Replaying(now) {
			continue
		}
		if r.readLive() { // no live record is left to be careful about
			r.relax(laneLive)
		}
		if caughtUp && !r.backlogWaits() {
			r.relax(laneBacklog)
		}
		if caughtUp {
			t[partition] = now.Add(-s.cfg.TickGrace)
		}
	}
	for _, b := range s.blocked {
		s.behind(b.runner, ends, now)
	}
	s.p.metrics.replaying.Set(float64(replaying))
	s.observe()
	s.workspaces.shrink()
	s.scannerPool.Shrink()
	return t
}

// readLive reports whether raw.live and rerouted have been read to their ends.
func (r *runner) readLive() bool {
	for _, t := range beforeBulk {
		if r.position[t] < r.ends[t] {
			return false
		}
	}
	return true
}

// backlogWaits reports whether held chunks that may be released, or deferred records, wait.
func (r *runner) backlogWaits() bool {
	_, held := r.core.NextHeld()
	return held || r.core.Behind()
}

// behind updates the lag of a partition's inputs. It reports whether all of them have been read to their ends.
func (s *session) behind(r *runner, ends kadm.ListedOffsets, now time.Time) (caughtUp bool) {
	caughtUp = true
	waits := false
	for _, topic := range schemas.Inputs() {
		end, ok := ends.Lookup(s.cfg.topic(topic), r.partition)
		if !ok {
			caughtUp = false
			continue
		}
		r.ends[topic] = max(r.ends[topic], end.Offset)
		behind := end.Offset - r.position[topic]
		waits = waits || behind > 0
		r.behind(topic, behind, now)
	}
	deferred := r.core != nil && r.core.Behind()
	switch caughtUp = caughtUp && !waits; {
	case waits || deferred:
		s.p.health.waits(r.partition, "")
	case caughtUp:
		s.p.health.idle(r.partition)
	}
	return caughtUp
}
