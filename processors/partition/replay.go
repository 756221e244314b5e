package partition

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Replay tells that a record was written by a replay.
type Replay struct {
	ID    []byte
	Extra bool      // the record stands in another partition, too, where what belongs to no business is handled
	End   bool      // the marker after the replay's last record in this partition
	Own   bool      // it is processed with a state of its own
	Seen  time.Time // by the owner's clock: when the record was read
}

// replay is what a partition knows of a replay that has begun and has not ended.
type replay struct {
	id string
	// lanes is the highest offset that was processed of each topic and partition that the replay reads, in
	// the order of their logs: what comes again, because a killed replay repeats its last records, is left out.
	lanes   map[string]int64
	seen    time.Time
	own     *replayState // nil: the replay has the partition's state
	ending  bool         // the marker was read; own still holds something
	changed bool
}

type replays struct {
	open []*replay // in the order in which they began
	gone []string  // ended since the last flush
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

// Replayed takes notice of a replayed record and tells whether it is to be processed: not a marker, and not
// what was processed before.
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
		return true // the replay may have ended here; what another partition passes on does not open it again
	}
	if r == nil {
		r = p.openReplay(string(o.Replay.ID))
		if o.Replay.Own {
			r.own = p.newReplayState(r.id)
		}
	}
	r.seen, r.changed = o.Replay.Seen, true
	if o.Moved {
		return true // the record had its turn where its number's id is; once more changes nothing
	}
	lane, offset, ok := laneOf(o.Label)
	if !ok {
		return true // not written by ours; the ids of its events are all there is against a repetition
	}
	if last, seen := r.lanes[lane]; seen && offset <= last {
		p.counts.Duplicates[KindReplayed]++
		return false
	}
	r.lanes[lane] = offset
	return true
}

// laneOf cuts topic/partition/offset into topic/partition and offset.
func laneOf(label []byte) (lane string, offset int64, ok bool) {
	i := strings.LastIndexByte(str(label), '/')
	if i < 0 {
		return "", 0, false
	}
	offset, err := strconv.ParseInt(str(label[i+1:]), 10, 64)
	return string(label[:i]), offset, err == nil
}

// Replaying tells whether a replay into this partition goes on: what it has not written yet is not silence, and
// the time of this partition is that of the records that it writes. now is by the owner's clock; a replay that
// was silent for longer than Config.ReplayTimeout goes on no more.
func (p *Partition) Replaying(now time.Time) bool {
	for _, r := range p.replays.open {
		if r.own == nil && now.Sub(r.seen) < p.cfg.ReplayTimeout {
			return true
		}
	}
	return false
}

// Replays is how many replays go on in this partition.
func (p *Partition) Replays() int { return len(p.replays.open) }

// GiveUp ends the replays that were silent for too long, by the owner's clock.
func (p *Partition) GiveUp(now time.Time) {
	for i := len(p.replays.open) - 1; i >= 0; i-- {
		if r := p.replays.open[i]; !r.ending && now.Sub(r.seen) >= p.cfg.ReplayTimeout {
			p.endReplay(r)
		}
	}
}

// openReplay makes a replay known.
func (p *Partition) openReplay(id string) *replay {
	r := &replay{id: id, lanes: map[string]int64{}}
	p.replays.open = append(p.replays.open, r)
	return r
}

// endReplay ends a replay. One with a state of its own goes when all that it holds has left.
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
