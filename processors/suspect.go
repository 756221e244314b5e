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

// A panic counts for its partition alone: the cores of others have no part in it. Any other failure, and the death of the process, count
// for all partitions whose work waits. An error of the brokers may name another partition than the one with the cause.

// beginning returns the runner's place in its partition.
func (r *runner) beginning(ctx context.Context) (p beginning) {
	for i, t := range schemas.Inputs() {
		p.at[i] = r.position[t]
		p.waits[i] = r.ends[t] > r.position[t]
		if t == schemas.TopicRerouted && p.waits[i] {
			p.waits[i] = r.reroutedWaits(ctx)
		}
	}
	p.backlog = r.backlogWaits()
	return p
}

// reroutedReadsMax bounds the reads of a long tail without records.
const reroutedReadsMax = 16

// reroutedWaits reports whether records of rerouted wait. The end of its log may have only transaction markers and aborted records,
// which are none of them. If it cannot be read, records wait.
func (r *runner) reroutedWaits(ctx context.Context) bool {
	at, end := r.position[schemas.TopicRerouted], r.ends[schemas.TopicRerouted]
	if end-at == 1 {
		return false // a marker: records never end the log
	}
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	for range reroutedReadsMax {
		got, err := r.fetcher.Fetch(ctx, r.names[schemas.TopicRerouted], r.partition, at, 1<<20, 0)
		switch {
		case err != nil || len(got.Records) > 0 || got.Next == at:
			return true
		case got.Next >= end:
			return false
		}
		at = got.Next
	}
	return true
}

// suspect notes that the session begins with restored partitions. It makes the runners careful whose partitions had
// failed sessions at the same place.
func (s *session) suspect(ctx context.Context, restored []*runner) {
	places := make(map[int32]beginning, len(restored))
	for _, r := range restored {
		places[r.partition] = r.beginning(ctx)
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

// noteEnds notes the end of the session.
func (s *session) noteEnds(err error) {
	how := outcomeOf(err, s.worked, s.p.cfg.TransactionTimeout)
	if at := (*panicked)(nil); errors.As(err, &at) {
		s.noteEnd([]int32{at.partition}, how)
		how = outcomeBlameless // the first outcome of a partition is kept
	}
	s.noteEnd(nil, how)
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

// panicked is the error of a panic in the work of a partition.
type panicked struct {
	partition int32
	err       error
}

func (p *panicked) Error() string { return p.err.Error() }
func (p *panicked) Unwrap() error { return p.err }

// recovered turns a panic into an error, which ends the session instead of the process.
func (r *runner) recovered(err *error) {
	if v := recover(); v != nil {
		*err = &panicked{r.partition, fmt.Errorf("%w: %v; while processing offset %d of %s/%d\n%s", errPanic, v, r.under.offset, r.under.topic, r.partition, debug.Stack())}
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
