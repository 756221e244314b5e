package processors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// A body that fails its transaction, or ends the process, would be read again by each session. So sessions note where
// they begin and how they end (ADR 0036). If two sessions failed or died at one place, the third one is careful. It
// processes one record in each transaction, and notes the record before. A record that failed alone twice is set aside:
// a dead letter without a value has its place in the raw log. Each part of a body and each held chunk has tries of its
// own. Each lane has its own care, because live records advance even in sessions that fail because of the backlog.

// beginning returns the runner's place in its partition. The last offset of rerouted is a transaction marker, not a
// record.
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

// suspect notes that the session begins with restored partitions. It makes the runners careful whose partitions had
// failed sessions at the same place.
func (s *session) suspect(ctx context.Context, restored []*runner) {
	places := make(map[int32]beginning, len(restored))
	for _, r := range restored {
		places[r.partition] = r.beginning()
	}
	notes, err := s.p.notes.begin(ctx, s.noteLog, s.by, places)
	if err != nil {
		s.p.log.Warn("cannot write the note of this session's beginning; a body that fails it will not be set aside", "error", err)
	}
	for _, r := range restored {
		note, ok := notes[r.partition]
		if !ok {
			continue
		}
		r.notes, r.noteLog = s.p.notes, s.noteLog
		for l, careful := range note.careful() {
			if r.careful[l] = careful; careful {
				s.p.log.Warn("earlier sessions failed at this place; processing one body at a time", "partition", r.partition, "lane", lane(l).String(), "sessions", note.Sessions[l]-1)
			}
		}
	}
}

// went notes the end of the work on revoked partitions, before their next owner begins. The client's goroutines call
// it.
func (s *session) went(partitions ...int32) {
	if !s.noted.Load() {
		s.noteEnd(partitions, outcomeBlameless)
	}
}

// noteEnd notes how the work on partitions ended; nil: on all.
func (s *session) noteEnd(partitions []int32, how outcome) {
	if err := s.p.notes.end(context.Background(), s.noteLog, s.by, partitions, how); err != nil {
		s.p.log.Debug("cannot write the note of this session's end", "error", err)
	}
}

// care says in which lanes of a partition records are processed one at a time.
type care struct {
	careful [lanesCount]bool
	alone   [lanesCount]bool // a piece was processed alone in this transaction
	gotOn   [lanesCount]int  // pieces that were committed alone
}

// cares reports whether any lane is careful.
func (c *care) cares() bool { return c.careful != [lanesCount]bool{} }

// careful returns the lanes that the session processes one record at a time. Then no transaction has records of both
// lanes.
func (s *session) careful() (lanes [lanesCount]bool) {
	for _, r := range s.runners {
		for l := range lanes {
			lanes[l] = lanes[l] || r != nil && r.careful[l]
		}
	}
	return lanes
}

// cares reports whether the session is careful in any lane.
func (s *session) cares() bool { return s.careful() != [lanesCount]bool{} }

// pollMax returns the maximum number of records of a poll.
func (s *session) pollMax() int {
	if s.careful()[laneLive] {
		return 1
	}
	return pollRecordsMax
}

// setsAside reports whether the next record of an input is set aside, because it failed alone. Otherwise it notes the
// try.
func (r *runner) setsAside(topic schemas.Topic, offset int64) bool {
	return r.triedEnough(piece{Topic: topic.String(), Offset: offset})
}

// setsPartAside is setsAside for a deferred record, or its remaining part. Each part has tries of its own.
func (r *runner) setsPartAside(h deferred.Head, change, item int) bool {
	return r.triedEnough(piece{Kind: piecePart, Topic: h.Topic.String(), Offset: h.Offset, Change: change, Item: item})
}

// setsHeldAside is setsAside for a held chunk. Each chunk of a body, and each part of a chunk, has tries of its own.
func (r *runner) setsHeldAside(h partition.HeldChunk) bool {
	ref := h.Ref()
	return r.triedEnough(piece{Kind: pieceHeld, Topic: ref.Topic.String(), Offset: ref.Offset, Change: int(ref.Change), Item: int(ref.Element), From: h.From()})
}

// triedEnough reports whether a piece has failed alone often enough. Otherwise it notes the try.
func (r *runner) triedEnough(what piece) bool {
	l := what.lane()
	if !r.careful[l] || r.notes == nil {
		return false
	}
	r.alone[l] = true
	return r.notes.alone(context.Background(), r.noteLog, r.partition, what)
}

// setAside writes a dead letter without a copy of the body. Its headers have the place of the body in the raw log.
func (r *runner) setAside(o *partition.Origin) {
	o.Value = nil
	r.deadLetterFailed(o, "this record")
}

// setChunkAside sets a held chunk aside: its letter names the change, and the element of its history.
func (r *runner) setChunkAside(ref partition.ChunkRef) {
	o := &partition.Origin{Topic: ref.Topic, Offset: ref.Offset, ReceivedAt: r.now(), Label: fmt.Appendf(nil, "%s/%d/%d", ref.Topic, r.partition, ref.Offset)}
	r.deadLetterFailed(o, fmt.Sprintf("element %d of the history of this change", ref.Element),
		partition.Header{Key: schemas.HeaderDLQChanges, Value: strconv.AppendUint(nil, uint64(ref.Change), 10)})
}

func (r *runner) deadLetterFailed(o *partition.Origin, what string, place ...partition.Header) {
	r.core.DeadLetter(o, schemas.ReasonBodyFailed,
		fmt.Sprintf("a transaction with %s alone failed %d times or ended the process; the record is in the raw log", what, failedSessionsMax), place...)
}

// settle notes that the pieces that were processed alone are committed.
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

// relax ends the care of a lane, because enough pieces were committed or none is left.
func (r *runner) relax(l lane) {
	if !r.careful[l] {
		return
	}
	r.careful[l] = false
	// If this cannot be written, the next session is careful too.
	_ = r.notes.relax(context.Background(), r.noteLog, r.partition, l)
}

// errPanic marks the error of a session in which the processing of a record panicked.
var errPanic = errors.New("panic")

// recovered turns a panic into an error, which ends the session instead of the process.
func (r *runner) recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v; while processing offset %d of %s/%d\n%s", errPanic, v, r.under.offset, r.under.topic, r.partition, debug.Stack())
	}
}

// attributable reports whether a processed record may have caused the session's error. Then the failure counts.
func attributable(err error) bool {
	for _, e := range []error{errPanic, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.CorruptMessage, kerr.InvalidTimestamp} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
