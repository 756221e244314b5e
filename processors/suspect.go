package processors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// A body that fails its transaction, or ends the process, is read again by the next session, and again. So sessions note
// where they begin (ADR 0036). After two that got nowhere the third is careful: it does one thing in each transaction, and
// notes before which body it is for. A body that was under way alone twice, and did not get through, is set aside: a letter without a value tells
// its place in the raw log.
//
// The notes are offsets with metadata of a group of their own, which has no members: they have to be there before what they
// tell of, and so cannot be in its transaction. Where they cannot be written the sessions go on without.

// attemptsGroup is the group whose committed offsets are the notes.
func attemptsGroup(group string) string { return group + "-attempts" }

const (
	// patience is how many sessions may begin at one place before one is careful, and how often a body is tried alone.
	patience = 2
	// carefulMax is how many bodies of a partition a session works on alone: more cost seconds where nothing is wrong, fewer cost
	// more sessions until one that stands far behind is found.
	carefulMax = 256
	// noteTimeout bounds the writing of a note.
	noteTimeout = 2 * time.Second
)

// attempt is what is noted of a partition.
type attempt struct {
	At       [3]int64 `json:"at"`       // how far its inputs were worked on, in the order of schemas.Inputs
	Sessions int      `json:"sessions"` // how many sessions began there
	// The body of each input that was the last one to be under way alone, and behind them that of a held chunk. The others get on
	// meanwhile.
	Alone [4]tries `json:"alone"`
}

// tries are how often a body was under way alone.
type tries struct {
	Topic  string `json:"topic,omitempty"`
	Offset int64  `json:"offset"`
	Tries  int    `json:"tries"`
}

// begun is the note of a session that begins at a place. Where the one before ended in this process, for a reason that has to do with no body,
// it does not count.
func (a attempt) begun(at [3]int64, counts bool) attempt {
	moved := a.Sessions == 0 || a.At != at
	if a.At = at; moved {
		a.Sessions = 1
	} else if counts {
		a.Sessions++
	}
	for i := range a.Alone {
		switch one := &a.Alone[i]; {
		case i != ofHeld && one.Offset < at[i]:
			*one = tries{} // it got through
		case one.Tries == 0:
		case !counts:
			one.Tries--
		case moved && i != ofHeld: // something else got on, this did not
			a.Sessions = patience + 1
		}
	}
	return a
}

// careful tells whether to do one thing at a time.
func (a *attempt) careful() bool { return a.Sessions > patience }

// alone is the note before a body is worked on alone; over tells that it had its tries.
func (a attempt) alone(as int, topic string, offset int64) (next attempt, over bool) {
	one := &a.Alone[as]
	if one.Topic != topic || one.Offset != offset {
		*one = tries{Topic: topic, Offset: offset}
	}
	if one.Tries >= patience {
		return a, true
	}
	one.Tries++
	return a, false
}

// attempts reads and writes the notes.
type attempts struct {
	adm   *kadm.Client
	group string
	topic string // raw.bulk: there is one note for each partition of it
}

func (a *attempts) read(ctx context.Context) (map[int32]attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	offsets, err := a.adm.FetchOffsets(ctx, a.group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("read the notes of former sessions: %w", err)
	}
	all := map[int32]attempt{}
	for partition, o := range offsets[a.topic] {
		var note attempt
		if o.Err == nil && json.Unmarshal([]byte(o.Metadata), &note) == nil {
			all[partition] = note
		}
	}
	return all, nil
}

// ofHeld is where attempt.Alone has the body of a held chunk: nothing but the chunk's own leaving tells that it got through.
const ofHeld = 3

// ofBulk is where attempt.At has raw.bulk. A note has its offset: one beyond the end of that log would tell of a log that was cut.
var ofBulk = slices.Index(schemas.Inputs(), schemas.TopicRawBulk)

func (a *attempts) write(ctx context.Context, notes map[int32]attempt) error {
	offsets := kadm.Offsets{}
	for partition, note := range notes {
		metadata, err := json.Marshal(note)
		if err != nil {
			return fmt.Errorf("note of an attempt: %w", err)
		}
		offsets.Add(kadm.Offset{Topic: a.topic, Partition: partition, At: note.At[ofBulk], LeaderEpoch: -1, Metadata: string(metadata)})
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	done, err := a.adm.CommitOffsets(ctx, a.group, offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return fmt.Errorf("note of an attempt: %w", err)
	}
	return nil
}

// place is how far a partition's inputs were worked on.
func (r *runner) place() (at [3]int64) {
	for i, t := range schemas.Inputs() {
		at[i] = r.position[t]
	}
	return at
}

// suspect notes that a session begins with partitions, and finds those with which the former ones did not get on.
func (s *session) suspect(ctx context.Context, restored []*runner) {
	notes := &attempts{s.adm, attemptsGroup(s.cfg.GroupID), s.cfg.topic(schemas.TopicRawBulk)}
	before, err := notes.read(ctx)
	if err == nil {
		now := map[int32]attempt{}
		for _, r := range restored {
			r.attempts, r.attempt = notes, before[r.partition].begun(r.place(), !s.p.blameless)
			if r.careful = r.attempt.careful(); r.careful {
				s.p.log.Warn("former sessions did not get on here; working on one body at a time", "partition", r.partition, "sessions", r.attempt.Sessions-1)
			}
			now[r.partition] = r.attempt
		}
		err = notes.write(ctx, now)
	}
	if err != nil {
		s.p.log.Warn("cannot note where this session begins; a body that ends it is not found", "error", err)
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
	if !r.careful || r.attempts == nil {
		return false
	}
	r.alone = true
	as := slices.Index(schemas.Inputs(), topic)
	if offset < r.position[topic] {
		as = ofHeld
	}
	note, over := r.attempt.alone(as, topic.String(), offset)
	if over {
		return true
	}
	r.attempt = note
	if err := r.attempts.write(context.Background(), map[int32]attempt{r.partition: note}); err != nil {
		r.attempt.Alone[as].Tries-- // it may not be there, and then does not count
	}
	return false
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
