package processors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// A body that fails its transaction, or ends the process, is read again by the next session, and again. So sessions note
// where they begin, and how they end (ADR 0036). After two that failed, or did not live to tell their end, the third is careful: it does one thing in each transaction, and
// notes before which body it is for. A body that was under way alone twice, and did not get through, is set aside: a letter without a value tells
// its place in the raw log.

// ofHeld is where attempt.Alone has a held chunk: nothing but the chunk's own leaving tells that it got through.
const ofHeld = 3

// place is how far a partition's inputs were worked on.
func (r *runner) place() (at [3]int64) {
	for i, t := range schemas.Inputs() {
		at[i] = r.position[t]
	}
	return at
}

// suspect notes that a session begins with partitions, and finds those with which the former ones did not get on.
func (s *session) suspect(ctx context.Context, restored []*runner) {
	places := make(map[int32][3]int64, len(restored))
	for _, r := range restored {
		places[r.partition] = r.place()
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
		if r.careful = note.careful(); r.careful {
			s.p.log.Warn("former sessions failed here; working on one body at a time", "partition", r.partition, "sessions", note.Sessions-1)
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

// careful tells whether the session does one thing at a time.
func (s *session) careful() bool {
	for _, r := range s.runners {
		if r != nil && r.careful {
			return true
		}
	}
	return false
}

// pollMax is how many live records a poll takes.
func (s *session) pollMax() int {
	if s.careful() {
		return 1
	}
	return pollRecordsMax
}

// setsAside tells whether a body is not tried again, because it was under way alone and did not get through. Otherwise that is noted.
func (r *runner) setsAside(topic schemas.Topic, offset int64) bool {
	return r.triedEnough(slices.Index(schemas.Inputs(), topic), tries{Topic: topic.String(), Offset: offset})
}

// setsHeldAside is setsAside for a held chunk. One that leaves in parts, as the next one of its body, is another thing to try.
func (r *runner) setsHeldAside(w task.Want) bool {
	return r.triedEnough(ofHeld, tries{Topic: w.Topic.String(), Offset: w.Offset, Change: w.Change, Element: w.Element, From: r.task.LeftOfWanted()})
}

func (r *runner) triedEnough(as int, what tries) bool {
	if !r.careful || r.notes == nil {
		return false
	}
	r.alone = true
	return r.notes.alone(context.Background(), r.noteLog, r.partition, as, what)
}

// setAside writes a letter about a body, which names its place in the raw log and has no copy of it.
func (r *runner) setAside(o *task.Origin) {
	o.Value = nil
	r.task.DeadLetter(o, schemas.ReasonBodyFailed, fmt.Sprintf("a transaction with this record alone failed %d times, or ended the processor; it is in the raw log", patience))
}

// got notes that what was worked on alone is committed.
func (r *runner) got() {
	if r.alone {
		r.alone = false
		r.notes.change(r.partition, attempt.got)
		r.gotOn++
		r.careful = r.careful && r.gotOn < carefulMax
	}
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
