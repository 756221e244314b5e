package processors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// A body that fails its transaction, or ends the process, is read again by the next session, and again. So sessions note
// where they begin, and how they end (ADR 0036). After two that failed, or did not live to tell their end, the third is careful: it does one thing in each transaction, and
// notes before which body it is for. A body that was under way alone twice, and did not get through, is set aside: a letter without a value tells
// its place in the raw log. Of a body that leaves in parts, and of held chunks, each part has its tries. Care is of a lane: what was polled
// moves on with each session, also with those that end because of the backlog.

// beginning is where the runner is with its partition. The end of rerouted is that of a transaction, without a record.
func (r *runner) beginning() (p beginning) {
	for i, t := range schemas.Inputs() {
		p.at[i] = r.position[t]
		behind := r.ends[t] - r.position[t]
		if t == schemas.TopicRerouted {
			behind--
		}
		p.waits[i] = behind > 0
	}
	p.backlog = r.backlogWaits()
	return p
}

// suspect notes that a session begins with partitions, and finds those with which the former ones did not get on.
func (s *session) suspect(ctx context.Context, restored []*runner) {
	places := make(map[int32]beginning, len(restored))
	for _, r := range restored {
		places[r.partition] = r.beginning()
	}
	notes, err := s.p.notes.begin(ctx, s.noteLog, s.by, places)
	if err != nil {
		s.p.log.Warn("cannot note where this session begins; a body that ends it is not found", "error", err)
	}
	for _, r := range restored {
		note, ok := notes[r.partition]
		if !ok {
			continue
		}
		r.notes, r.noteLog = s.p.notes, s.noteLog
		for l, careful := range note.careful() {
			if r.careful[l] = careful; careful {
				s.p.log.Warn("former sessions failed here; working on one body at a time", "partition", r.partition, "lane", lane(l).String(), "sessions", note.Sessions[l]-1)
			}
		}
	}
}

// went notes how the work on partitions ended that go to another processor, before that one begins.
func (s *session) went(partitions ...int32) {
	if !s.noted.Load() {
		s.noteEnd(partitions, outcomeBlameless)
	}
}

// noteEnd notes how the work on partitions ended; nil: on all.
func (s *session) noteEnd(partitions []int32, how outcome) {
	if err := s.p.notes.end(context.Background(), s.noteLog, s.by, partitions, how); err != nil {
		s.p.log.Debug("cannot note how this session ends", "error", err)
	}
}

// care is of which lanes of a partition one thing is done at a time, and how many got through so.
type care struct {
	careful [lanesCount]bool
	alone   [lanesCount]bool // something was worked on alone
	gotOn   [lanesCount]int
}

// cares tells whether one thing is done at a time of any lane.
func (c *care) cares() bool { return c.careful != [lanesCount]bool{} }

// careful tells of which lanes the session does one thing at a time. Then no transaction has something of both.
func (s *session) careful() (lanes [lanesCount]bool) {
	for _, r := range s.runners {
		for l := range lanes {
			lanes[l] = lanes[l] || r != nil && r.careful[l]
		}
	}
	return lanes
}

// cares tells whether the session does one thing at a time of any lane.
func (s *session) cares() bool { return s.careful() != [lanesCount]bool{} }

// pollMax is how many live records a poll takes.
func (s *session) pollMax() int {
	if s.careful()[laneLive] {
		return 1
	}
	return pollRecordsMax
}

// setsAside tells whether a record that is next of its input is not tried again, because it was under way alone and did not get through.
// Otherwise that is noted.
func (r *runner) setsAside(topic schemas.Topic, offset int64) bool {
	return r.triedEnough(piece{Topic: topic.String(), Offset: offset})
}

// setsPartAside is setsAside for a deferred record, or the rest of a record. Each part is another thing to try.
func (r *runner) setsPartAside(h deferred.Head, change, item int) bool {
	return r.triedEnough(piece{Kind: piecePart, Topic: h.Topic.String(), Offset: h.Offset, Change: change, Item: item})
}

// setsHeldAside is setsAside for a held chunk. One that leaves in parts, as the next one of its body, is another thing to try.
func (r *runner) setsHeldAside(w task.Want) bool {
	return r.triedEnough(piece{Kind: pieceHeld, Topic: w.Topic.String(), Offset: w.Offset, Change: int(w.Change), Item: int(w.Element), From: r.task.LeftOfWanted()})
}

func (r *runner) triedEnough(what piece) bool {
	l := what.lane()
	if !r.careful[l] || r.notes == nil {
		return false
	}
	r.alone[l] = true
	return r.notes.alone(context.Background(), r.noteLog, r.partition, what)
}

// setAside writes a letter about a body, which names its place in the raw log and has no copy of it.
func (r *runner) setAside(o *task.Origin) {
	o.Value = nil
	r.task.DeadLetter(o, schemas.ReasonBodyFailed, fmt.Sprintf("a transaction with this record alone failed %d times, or ended the processor; it is in the raw log", failedSessionsMax))
}

// settle notes that what was worked on alone is committed.
func (r *runner) settle() {
	if r.alone == [lanesCount]bool{} {
		return
	}
	r.notes.change(r.partition, attempt.got)
	for l := range r.alone {
		if !r.alone[l] {
			continue
		}
		r.alone[l] = false
		if r.gotOn[l]++; r.gotOn[l] >= carefulMax {
			r.relax(lane(l))
		}
	}
}

// relax ends the care of a lane: enough of it got through, or nothing of it is left.
func (r *runner) relax(l lane) {
	if !r.careful[l] {
		return
	}
	r.careful[l] = false
	// Where this cannot be written the next session is careful, too.
	_ = r.notes.relax(context.Background(), r.noteLog, r.partition, l)
}

// errPanic marks the error of a session in which the processing of a record panicked.
var errPanic = errors.New("panic")

// recovered makes an error of a panic: it ends the session, and not the process.
func (r *runner) recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v; while at offset %d of %s/%d\n%s", errPanic, v, r.under.offset, r.under.topic, r.partition, debug.Stack())
	}
}

// attributable tells whether a session ended because of what was worked on: the next one counts then.
func attributable(err error) bool {
	for _, e := range []error{errPanic, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.CorruptMessage, kerr.InvalidTimestamp} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
