package processors

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

const (
	// failedSessionsMax is how many sessions may fail at one place before the next one is careful. It is also how often
	// a record is tried alone.
	failedSessionsMax = 2
	// carefulMax is how many records of a lane a careful session processes alone. A higher value costs seconds without
	// a fault. A lower one costs more sessions until a record far behind is found.
	carefulMax = 256
	// aloneMax bounds the records in a note that were tried alone. An offset's metadata has at most 4,096 bytes.
	aloneMax = 16
)

// lane is the part of the work that is processed carefully: polled records, or the backlog.
type lane int

const (
	laneLive lane = iota
	laneBacklog
	lanesCount
)

// laneOf returns the lane of an input.
func laneOf(t schemas.Topic) lane {
	if t == schemas.TopicRawBulk {
		return laneBacklog
	}
	return laneLive
}

// String returns the lane's name in the log.
func (l lane) String() string { return [lanesCount]string{"live", "backlog"}[l] }

// beginning is the place where a session begins with a partition.
type beginning struct {
	at    [3]int64 // how far its inputs were worked on, in the order of schemas.Inputs
	waits [3]bool  // the input has records behind at
	// backlog is true if deferred records or held chunks wait. Any number of other businesses' records may go before
	// them, so progress of the inputs does not show that these were processed.
	backlog bool
}

// attempt is the note of a partition: how often work began at one place and failed. It is a state machine with the
// events begun, alone, got, relaxed and ended. Its methods return the new note and leave the receiver unchanged.
type attempt struct {
	At       [3]int64        `json:"at"`       // next offsets of the inputs, in the order of schemas.Inputs
	Sessions [lanesCount]int `json:"sessions"` // by lane: failed sessions at this place, and the present one
	// Alone are the records that were processed alone and are not known to be committed. The latest one is last.
	Alone []tries `json:"alone,omitempty"`
	End   outcome `json:"end,omitempty"`
	By    string  `json:"by,omitempty"` // the session
}

// piece identifies work that is processed alone.
type piece struct {
	Kind   pieceKind `json:"kind,omitempty"`
	Topic  string    `json:"topic"`
	Offset int64     `json:"offset"`
	Change int       `json:"change,omitempty"`
	Item   int       `json:"item,omitempty"` // first item of a part, or element of a held chunk
	From   int       `json:"from,omitempty"` // number of messages of the held chunk that have left
}

type pieceKind string

const (
	pieceRecord pieceKind = ""     // the next record of an input
	piecePart   pieceKind = "part" // a deferred record, or the remaining part of one
	pieceHeld   pieceKind = "held" // a held chunk, or the remaining part of one
)

// lane returns the lane that processes the piece.
func (p *piece) lane() lane {
	if p.Kind == pieceRecord && p.Topic != schemas.TopicRawBulk.String() {
		return laneLive
	}
	return laneBacklog
}

// tries counts how often a piece was processed alone.
type tries struct {
	piece
	Tries int  `json:"tries"`
	Under bool `json:"under,omitempty"` // it is being processed
}

// outcome is how a session's work on a partition ended.
type outcome string

const (
	outcomeNone      outcome = ""          // it has not ended, or the process died
	outcomeFailed    outcome = "failed"    // a processed record may be the cause
	outcomeBlameless outcome = "blameless" // no record is the cause: a stop, a rebalance, unreachable brokers
)

// begun returns the note of a session that begins at a place.
func (a attempt) begun(p beginning, by string) attempt {
	counts := a.End != outcomeBlameless
	stuck := [lanesCount]bool{laneBacklog: p.backlog}
	for i, t := range schemas.Inputs() {
		if p.waits[i] && a.At[i] == p.at[i] {
			stuck[laneOf(t)] = true
		}
	}
	before := a.Alone
	a = attempt{At: p.at, Sessions: a.Sessions, By: by}
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
		i := slices.IndexFunc(schemas.Inputs(), func(t schemas.Topic) bool { return t.String() == one.Topic })
		if i < 0 || one.Tries == 0 || one.Kind == pieceRecord && one.Offset < p.at[i] {
			continue // it was committed
		}
		a.Alone = append(a.Alone, one)
		if one.Kind == pieceRecord || p.backlog { // p.backlog { || progress of other work does not clear this one
			n := &a.Sessions[one.lane()]
			*n = max(*n, failedSessionsMax+1)
		}
	}
	return a
}

// careful returns the lanes whose records must be processed one at a time.
func (a *attempt) careful() (lanes [lanesCount]bool) {
	for l, n := range a.Sessions {
		lanes[l] = n > failedSessionsMax
	}
	return lanes
}

// alone returns the note before a piece is processed alone. over reports that it has failed often enough and is set
// aside.
func (a attempt) alone(what piece) (next attempt, over bool) {
	one := tries{piece: what}
	all := make([]tries, 0, len(a.Alone)+1)
	for _, other := range a.Alone {
		if other.piece == what {
			one = other
		} else {
			all = append(all, other)
		}
	}
	over = one.Tries >= failedSessionsMax
	one.Tries, one.Under = min(one.Tries, failedSessionsMax)+1, true // a blameless end revokes the last try
	all = append(all, one)
	a.Alone = all[max(len(all)-aloneMax, 0):]
	return a, over
}

// got returns the note after the commit of the pieces that were being processed.
func (a attempt) got() attempt {
	a.Alone = slices.DeleteFunc(slices.Clone(a.Alone), func(one tries) bool { return one.Under })
	return a
}

// relaxed returns the note after a lane needs no more care, because enough pieces were committed or none is left.
func (a attempt) relaxed(l lane) attempt {
	a.Sessions[l] = 0
	if l == laneBacklog { // no position shows that these were committed
		a.Alone = slices.DeleteFunc(slices.Clone(a.Alone), func(one tries) bool { return one.Kind != pieceRecord })
	}
	return a
}

// ended returns the note of a session that ends. The first outcome is kept.
func (a attempt) ended(how outcome) attempt {
	if a.End == outcomeNone {
		a.End = how
	}
	return a
}

// outcomeOf returns the outcome of work that ended with err or nil. worked is the processing time without waits for
// brokers. If it reaches transactionTimeout, the brokers aborted the transaction because of the work.
func outcomeOf(err error, worked, transactionTimeout time.Duration) outcome {
	if attributable(err) || worked >= transactionTimeout {
		return outcomeFailed
	}
	return outcomeBlameless
}
