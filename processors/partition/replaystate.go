package partition

import (
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/schemas"
)

// replayState is the separate state of a replay into the topics that it was read from: its own windows, seen
// messages and waiting follow-ups. It begins empty and is discarded at the end of the replay. It is a partition of
// its own within the outer one. The two share the table of contacts, where the newest change wins in any order, and
// the numbers of the windows.
//
// Its events leave unchanged, but no syncs, because their newest record is the live one. Its state is written under
// separate keys.
type replayState struct {
	*Partition
	keys   map[string]bool // keys of its records on `state`
	ending bool            // its replay has ended; it is discarded when all that it holds has left
}

const stateReplayState = "p|" // p|id|key of the replay state's state

// newReplayState makes an empty replay state. The configuration has been validated.
func (p *Partition) newReplayState(id string) *replayState {
	inner, err := New(p.cfg)
	if err != nil {
		panic("partition: a replay state of a configuration that was valid: " + err.Error())
	}
	s := &replayState{Partition: inner, keys: map[string]bool{}}
	inner.outer, inner.contacts, inner.Workspace, inner.turn = p, p.contacts, p.Workspace, turnUse{Turn: p.turn.Turn}
	inner.out = func(r Record) { p.replayStateRecord(s, id, r) }
	return s
}

// replayStateRecord passes on a record that a replay state emitted.
func (p *Partition) replayStateRecord(s *replayState, id string, r Record) {
	switch r.Topic {
	case schemas.TopicSyncs:
		s.counts.Events[schemas.TopicSyncs]--
		return
	case schemas.TopicState:
		if r.Value == nil {
			delete(s.keys, string(r.Key))
		} else {
			s.keys[string(r.Key)] = true
		}
		r.Key = p.arena.copy(stateReplayState, id, "|", str(r.Key))
	}
	p.out(r)
}

// replayStateOf returns the replay state in which a record is processed; nil: the partition itself.
func (p *Partition) replayStateOf(o *Origin) *replayState {
	if p.outer != nil || o.Replay == nil || !o.Replay.Own {
		return nil
	}
	if r := p.replays.find(str(o.Replay.ID)); r != nil {
		return r.own
	}
	return nil
}

// eachReplayState calls do for each replay state.
func (p *Partition) eachReplayState(do func(*replayState)) {
	for _, r := range p.replays.open {
		if r.own != nil {
			do(r.own)
		}
	}
}

// PassFor is Pass for a record of raw.bulk. For a replay with a state of its own, only the time of that state
// passes.
func (p *Partition) PassFor(o *Origin, at time.Time) {
	if o.Replay == nil || !o.Replay.Own {
		p.Pass(at)
	} else if s := p.replayStateOf(o); s != nil && !s.ending {
		s.Pass(at)
	}
}

// finish lets all chunks and follow-ups of a replay state leave, as if its time continued without an end.
func (s *replayState) finish(last time.Time) {
	s.ending = true
	s.ticked = last.AddDate(100, 0, 0)
	s.schedule.refresh()
	for {
		n, ok := s.schedule.next(s.ticked)
		if !ok {
			return
		}
		s.catchUp(n, inHand{})
	}
}

// beginReplayStates gives the replay states the workspace of the transaction.
func (p *Partition) beginReplayStates() {
	p.eachReplayState(func(s *replayState) {
		s.Workspace = p.Workspace
		s.counts.reset()
	})
}

// flushReplayStates flushes the replay states, and discards those that have ended.
func (p *Partition) flushReplayStates() {
	for i := len(p.replays.open) - 1; i >= 0; i-- {
		r := p.replays.open[i]
		if r.own == nil {
			continue
		}
		_, holds := r.own.NextHeld()
		if r.own.ending && !holds {
			for key := range r.own.keys {
				p.state(p.arena.copy(stateReplayState, r.id, "|", key), nil)
			}
			p.forgetReplay(r)
		} else {
			r.own.Flush()
		}
		p.counts.add(&r.own.counts)
	}
}

// restoreReplayState restores a record of a replay state.
func (p *Partition) restoreReplayState(rest string, value []byte) error {
	id, key, _ := strings.Cut(rest, "|")
	r := p.replays.find(id)
	if r == nil {
		r = p.openReplay(id)
	}
	if r.own == nil {
		r.own = p.newReplayState(id)
	}
	r.own.keys[key] = true
	return r.own.RestoreState(key, value)
}

// numbersOfWindows numbers the windows of a replay state like those of the live state, as far as that remembers
// them.
func (p *Partition) numbersOfWindows(n *number) {
	if p.outer == nil {
		return
	}
	key := n.id.WABAID + "/" + n.id.PhoneNumberID
	n.history.NumberWindows(func(at time.Time) int32 {
		if live, ok := p.outer.numbers[key]; ok {
			return live.history.WindowAt(at)
		}
		return 0
	})
}

// findPlaceholder finds the placeholder of a message. A replay state also finds those of the live state, because
// their chunk may not be replayed.
func (p *Partition) findPlaceholder(n *number, key schemas.Hash) (media.Placeholder, bool) {
	found, ok := n.media.Find(key)
	if !ok && p.outer != nil {
		if live, known := p.outer.numbers[n.id.WABAID+"/"+n.id.PhoneNumberID]; known {
			return live.media.Find(key)
		}
	}
	return found, ok
}
