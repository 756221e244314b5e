package partition

import (
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/schemas"
)

// replayState is the state that a replay into the topics from which it was read has for itself: windows, known
// messages and waiting follow-ups of another time than the live ones. It begins empty and is given up at the
// replay's end. It is a partition of its own, whose outer one lends it what is one for both: the table of contacts,
// where the newest wins whoever tells it, and the numbers of the windows.
//
// What it emits leaves as it is, but for syncs, whose newest record is the live one, and its state, which stands
// under keys of its own.
type replayState struct {
	*Partition
	keys   map[string]bool // of its records on `state`
	ending bool            // its replay has ended: what it holds leaves, then it goes
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

// replayStateRecord passes a record of a replay state on.
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

// PassFor is Pass for a record of raw.bulk: of a replay with a state of its own, it is that state's time.
func (p *Partition) PassFor(o *Origin, at time.Time) {
	if o.Replay == nil || !o.Replay.Own {
		p.Pass(at)
	} else if s := p.replayStateOf(o); s != nil && !s.ending {
		s.Pass(at)
	}
}

// finish lets everything leave that a replay state holds, as if its time went on for ever.
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

// beginReplayStates lends the replay states what a transaction's work needs.
func (p *Partition) beginReplayStates() {
	p.eachReplayState(func(s *replayState) {
		s.Workspace = p.Workspace
		s.counts.reset()
	})
}

// flushReplayStates ends the transaction's work of the replay states, and gives up those that are done.
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

// restoreReplayState takes a record of a replay state's state.
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

// numbersOfWindows lets a replay state count the windows of a number as the live state does, where that remembers them.
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

// findPlaceholder is the placeholder of a message: for a replay state also one that the live state knows, of a chunk
// that is not replayed.
func (p *Partition) findPlaceholder(n *number, key schemas.Hash) (media.Placeholder, bool) {
	found, ok := n.media.Find(key)
	if !ok && p.outer != nil {
		if live, known := p.outer.numbers[n.id.WABAID+"/"+n.id.PhoneNumberID]; known {
			return live.media.Find(key)
		}
	}
	return found, ok
}
