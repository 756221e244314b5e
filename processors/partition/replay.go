package partition

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Replay is set for a record that a replay wrote.
type Replay struct {
	ID    []byte
	Extra bool      // a copy of a record of another partition, for the parts that concern a business of this one
	End   bool      // the marker after the replay's last record in this partition
	Own   bool      // it is processed with a state of its own
	Seen  time.Time // when the record was read, by the owner's clock
}

// replay is a replay that has begun and has not ended.
type replay struct {
	id string
	// lanes has the highest processed offset of each topic and partition that the replay reads, in the order of their
	// logs. A replay that was killed repeats its last records; these are skipped.
	lanes   map[string]int64
	seen    time.Time
	own     *replayState // nil: the replay has the partition's state
	ending  bool         // the marker was read, but own still holds something
	changed bool
}

type replays struct {
	open []*replay // in the order in which they began
	gone []string  // those that ended since the last flush
}

type replayRecord struct {
	Version int              `json:"v"`
	SeenMS  int64            `json:"seen_ms"`
	Own     bool             `json:"own,omitempty"`
	Ending  bool             `json:"ending,omitempty"`
	Lanes   map[string]int64 `json:"lanes"`
}

const replayVersion = 1

func (r *replays) find(id string) *replay {
	for _, known := range r.open {
		if known.id == id {
			return known
		}
	}
	return nil
}

// Replayed notes a replayed record, and reports whether to process it. Markers and repeated records are not
// processed.
func (p *Partition) Replayed(o *Origin) bool {
	id := str(o.Replay.ID)
	r := p.replays.find(id)
	if o.Replay.End {
		if r != nil {
			p.endReplay(r)
		}
		return false
	}
	if r == nil && o.Topic == schemas.TopicRerouted && !o.Replay.Own {
		return true // the replay may have ended here; a record that another partition passes on does not begin it again
	}
	if r == nil {
		r = p.openReplay(string(o.Replay.ID))
		if o.Replay.Own {
			r.own = p.newReplayState(r.id)
		}
	}
	r.seen, r.changed = o.Replay.Seen, true
	if o.Moved {
		return true // the record was processed in the partition of its number's id; a repetition changes nothing
	}
	lane, offset, ok := laneOf(o.Label)
	if !ok {
		return true // not written by coexstream: only the ids of its events detect a repetition
	}
	if last, seen := r.lanes[lane]; seen && offset <= last {
		p.counts.Duplicates[KindReplayed]++
		return false
	}
	r.lanes[lane] = offset
	return true
}

// laneOf splits topic/partition/offset into topic/partition and offset.
func laneOf(label []byte) (lane string, offset int64, ok bool) {
	i := strings.LastIndexByte(str(label), '/')
	if i < 0 {
		return "", 0, false
	}
	offset, err := strconv.ParseInt(str(label[i+1:]), 10, 64)
	return string(label[:i]), offset, err == nil
}

// Replaying reports whether a replay into this partition is active. Then silence does not mean that nothing follows,
// and the partition's time is that of the replayed records. now is by the owner's clock. A replay that was silent
// for longer than Config.ReplayTimeout is not active.
func (p *Partition) Replaying(now time.Time) bool {
	for _, r := range p.replays.open {
		if r.own == nil && now.Sub(r.seen) < p.cfg.ReplayTimeout {
			return true
		}
	}
	return false
}

// Replays returns the number of open replays in this partition.
func (p *Partition) Replays() int { return len(p.replays.open) }

// GiveUp ends the replays that were silent for too long, by the owner's clock.
func (p *Partition) GiveUp(now time.Time) {
	for i := len(p.replays.open) - 1; i >= 0; i-- {
		if r := p.replays.open[i]; !r.ending && now.Sub(r.seen) >= p.cfg.ReplayTimeout {
			p.endReplay(r)
		}
	}
}

// openReplay adds a replay.
func (p *Partition) openReplay(id string) *replay {
	r := &replay{id: id, lanes: map[string]int64{}}
	p.replays.open = append(p.replays.open, r)
	return r
}

// endReplay ends a replay. One with a state of its own is removed when all that it holds has left.
func (p *Partition) endReplay(r *replay) {
	if r.own == nil {
		p.forgetReplay(r)
		return
	}
	r.ending, r.changed = true, true
	r.own.finish(r.seen)
}

func (p *Partition) forgetReplay(r *replay) {
	for i, known := range p.replays.open {
		if known == r {
			p.replays.open = append(p.replays.open[:i], p.replays.open[i+1:]...)
			p.replays.gone = append(p.replays.gone, r.id)
			return
		}
	}
}

func (p *Partition) flushReplays() {
	for _, id := range p.replays.gone {
		p.state(p.arena.copy(stateReplay, id), nil)
	}
	p.replays.gone = p.replays.gone[:0]
	for _, r := range p.replays.open {
		if !r.changed {
			continue
		}
		r.changed = false
		value, err := json.Marshal(replayRecord{replayVersion, r.seen.UnixMilli(), r.own != nil, r.ending, r.lanes})
		if err != nil {
			panic(fmt.Sprintf("marshal of numbers: %v", err))
		}
		p.state(p.arena.copy(stateReplay, r.id), value)
	}
}

func (p *Partition) restoreReplay(id string, value []byte) error {
	var rec replayRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return fmt.Errorf("replay %s: %w", id, err)
	}
	if rec.Lanes == nil {
		rec.Lanes = map[string]int64{}
	}
	r := p.replays.find(id)
	if r == nil {
		r = p.openReplay(id)
	}
	if rec.Own && r.own == nil {
		r.own = p.newReplayState(id)
	}
	r.lanes, r.seen, r.ending = rec.Lanes, time.UnixMilli(rec.SeenMS), rec.Ending
	return nil
}
