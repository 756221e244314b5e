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
// its place in the raw log. Of a body that leaves in parts, and of held chunks, each part has its tries.
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
	// lastedAfter is how long a session has to last until it counts as one that got on.
	lastedAfter = time.Minute
	// noteTimeout bounds the writing of a note.
	noteTimeout = 2 * time.Second
)

// beginning is where a session begins with a partition.
type beginning struct {
	at    [3]int64 // how far its inputs were worked on, in the order of schemas.Inputs
	waits [3]bool  // there are records behind that
	// backlog: deferred records or held chunks wait to be worked on. Other businesses' come before them in any number, so nothing
	// that got on shows that they did.
	backlog bool
}

// lane is what is worked on alone in turn: what was polled, or the backlog.
type lane int

const (
	laneLive lane = iota
	laneBacklog
	lanesCount
)

// laneOf is the lane of an input.
func laneOf(t schemas.Topic) lane {
	if t == schemas.TopicRawBulk {
		return laneBacklog
	}
	return laneLive
}

// attempt is what is noted of a partition.
type attempt struct {
	At       [3]int64        `json:"at"`       // how far its inputs were worked on, in the order of schemas.Inputs
	Sessions [lanesCount]int `json:"sessions"` // how many sessions began where a lane stands still
	Alone    []tries         `json:"alone,omitempty"`
}

// piece is what is worked on alone: a record, or the part of one that begins with an item.
type piece struct {
	Topic  string `json:"topic"`
	Offset int64  `json:"offset"`
	Change int    `json:"change,omitempty"`
	Item   int    `json:"item,omitempty"`
	// Again: it is behind the position of its input: a held chunk, or a deferred record.
	Again bool `json:"again,omitempty"`
}

// tries are how often something was under way alone.
type tries struct {
	piece
	Tries int  `json:"tries"`
	Under bool `json:"under,omitempty"` // it was under way last
}

// aloneMax bounds what is noted as tried alone: the metadata of an offset has 4,096 bytes at most.
const aloneMax = 16

// begun is the note of a session that begins at a place. Where the one before ended in this process, for a reason that has to do with no body,
// it does not count.
func (a attempt) begun(p beginning, counts bool) attempt {
	stuck := [lanesCount]bool{laneBacklog: p.backlog}
	for i, t := range schemas.Inputs() {
		if p.waits[i] && a.At[i] == p.at[i] {
			stuck[laneOf(t)] = true
		}
	}
	before := a.Alone
	a.At, a.Alone = p.at, nil
	for l := range a.Sessions {
		switch n := &a.Sessions[l]; {
		case !stuck[l] || *n == 0:
			*n = 1
		case counts:
			*n++
		}
	}
	for _, one := range before {
		if one.Under && !counts {
			one.Tries--
		}
		one.Under = false
		i := inputOf(one.Topic)
		if i < 0 || !one.Again && one.Offset < p.at[i] || one.Tries == 0 {
			continue // it got through
		}
		a.Alone = append(a.Alone, one)
		switch { // something else may have got on, this did not
		case !one.Again:
			n := &a.Sessions[laneOf(schemas.Inputs()[i])]
			*n = max(*n, patience+1)
		case p.backlog:
			a.Sessions[laneBacklog] = max(a.Sessions[laneBacklog], patience+1)
		}
	}
	return a
}

// String is the lane's name in the log.
func (l lane) String() string { return [lanesCount]string{"live", "backlog"}[l] }

// inputOf is the place of an input in schemas.Inputs, or -1.
func inputOf(topic string) int {
	return slices.IndexFunc(schemas.Inputs(), func(t schemas.Topic) bool { return t.String() == topic })
}

// careful tells of which lanes to do one thing at a time.
func (a *attempt) careful() (lanes [lanesCount]bool) {
	for l, n := range a.Sessions {
		lanes[l] = n > patience
	}
	return lanes
}

// alone is the note before something is worked on alone; over tells that it had its tries.
func (a attempt) alone(what piece) (next attempt, over bool) {
	one := tries{piece: what}
	next = a
	next.Alone = nil
	for _, other := range a.Alone {
		if other.piece == what {
			one = other
		} else {
			next.Alone = append(next.Alone, other)
		}
	}
	if one.Tries >= patience {
		return a, true
	}
	one.Tries, one.Under = one.Tries+1, true
	next.Alone = append(next.Alone, one)
	if n := len(next.Alone); n > aloneMax { // the longest untried one
		next.Alone = next.Alone[n-aloneMax:]
	}
	return next, false
}

// through is the note without what was under way: it is committed.
func (a attempt) through() attempt {
	a.Alone = slices.DeleteFunc(slices.Clone(a.Alone), func(one tries) bool { return one.Under })
	return a
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
	notes := &attempts{s.adm, attemptsGroup(s.cfg.GroupID), s.cfg.topic(schemas.TopicRawBulk)}
	before, err := notes.read(ctx)
	if err == nil {
		now := map[int32]attempt{}
		for _, r := range restored {
			r.attempts, r.attempt = notes, before[r.partition].begun(r.beginning(), !s.p.blameless && !s.aborted[r.partition])
			r.began, r.heads = s.p.deps.Now(), r.task.Deferred().Businesses()
			delete(s.aborted, r.partition)
			for l, careful := range r.attempt.careful() {
				if r.careful[l] = careful; careful {
					s.p.log.Warn("former sessions did not get on here; working on one body at a time", "partition", r.partition, "lane", lane(l).String(), "sessions", r.attempt.Sessions[l]-1)
				}
			}
			now[r.partition] = r.attempt
		}
		err = notes.write(ctx, now)
	}
	if err != nil {
		s.p.log.Warn("cannot note where this session begins; a body that ends it is not found", "error", err)
	}
}

// lasted notes of partitions with which the session has lasted, or whose backlog is known to get on, that the next session need not be
// careful.
func (s *session) lasted(ctx context.Context) {
	now := s.p.deps.Now()
	notes := map[int32]attempt{}
	var by *attempts
	for _, r := range s.runners {
		if r == nil || r.attempts == nil || r.cares() {
			continue
		}
		before := r.attempt.Sessions
		if r.getsOn && before[laneBacklog] > 1 {
			r.attempt.Sessions[laneBacklog] = 0
		}
		if now.Sub(r.began) > lastedAfter {
			r.attempt.Sessions = [lanesCount]int{}
		}
		if r.attempt.Sessions != before {
			notes[r.partition], by = r.attempt, r.attempts
		}
	}
	if len(notes) == 0 {
		return
	}
	if err := by.write(ctx, notes); err != nil {
		s.p.log.Debug("cannot note that this session has lasted", "error", err)
	}
}

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

// setsAside tells whether a body, or the part of it that begins with an item, is not tried again, because it was under way alone and did
// not get through. Otherwise that is noted.
func (r *runner) setsAside(topic schemas.Topic, offset int64, change, item int) bool {
	l := laneOf(topic)
	if offset < r.position[topic] {
		l = laneBacklog
	}
	if !r.careful[l] || r.attempts == nil {
		return false
	}
	r.alone[l] = true
	note, over := r.attempt.alone(piece{topic.String(), offset, change, item, offset < r.position[topic]})
	if over {
		return true
	}
	if err := r.attempts.write(context.Background(), map[int32]attempt{r.partition: note}); err != nil {
		note = r.attempt // it may not be there, and then does not count
	}
	r.attempt = note
	return false
}

// setAside writes a letter about a body, which names its place in the raw log and has no copy of it.
func (r *runner) setAside(o *task.Origin) {
	o.Value = nil
	r.task.DeadLetter(o, schemas.ReasonBodyFailed, fmt.Sprintf("a transaction with this record alone failed %d times, or ended the processor; it is in the raw log", patience))
}

// care is of which lanes of a partition one thing is done at a time, and how many got through so.
type care struct {
	careful [lanesCount]bool
	alone   [lanesCount]bool // something was worked on alone
	gotOn   [lanesCount]int
}

// cares tells whether one thing is done at a time of any lane.
func (c *care) cares() bool { return c.careful != [lanesCount]bool{} }

// inTurn tells whether each business with deferred records had its turn since the session began with the partition, and no held chunk
// may leave: whatever was first in line then got through.
func (r *runner) inTurn() bool {
	if r.turned < 2*r.heads { // some had theirs out of turn
		return false
	}
	_, held := r.task.Wanted()
	_, _, begun := r.task.Begun()
	return !held && !begun
}

// got notes that what was worked on alone is committed.
func (r *runner) got() {
	for l := range r.alone {
		if !r.alone[l] {
			continue
		}
		r.alone[l] = false
		r.attempt = r.attempt.through()
		if r.gotOn[l]++; r.gotOn[l] >= carefulMax {
			r.careful[l] = false
		}
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
