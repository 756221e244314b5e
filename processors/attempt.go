package processors

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

const (
	// failedSessionsMax is how many sessions may fail at one place before one is careful, and how often a body is tried alone.
	failedSessionsMax = 2
	// carefulMax is how many bodies of a lane a session works on alone: more cost seconds where nothing is wrong, fewer cost
	// more sessions until one that stands far behind is found.
	carefulMax = 256
	// aloneMax bounds what is noted as tried alone: the metadata of an offset has 4,096 bytes at most.
	aloneMax = 16
)

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

// String is the lane's name in the log.
func (l lane) String() string { return [lanesCount]string{"live", "backlog"}[l] }

// beginning is where a session begins with a partition.
type beginning struct {
	at    [3]int64 // how far its inputs were worked on, in the order of schemas.Inputs
	waits [3]bool  // there are records behind that
	// backlog: deferred records or held chunks wait to be worked on. Other businesses' come before them in any number, so nothing
	// that got on shows that they did.
	backlog bool
}

// attempt is what is noted of a partition: how often work on it began at one place and failed. It is a state machine of the
// events begun, alone, got, relaxed and ended. Its methods leave what they are called on as it is.
type attempt struct {
	At       [3]int64        `json:"at"`       // how far its inputs were worked on, in the order of schemas.Inputs
	Sessions [lanesCount]int `json:"sessions"` // of each lane: the sessions that failed while it stood there, and the one that is at work
	// What was under way alone and is not known to have got through. What was tried last is the last one.
	Alone []tries `json:"alone,omitempty"`
	End   outcome `json:"end,omitempty"`
	By    string  `json:"by,omitempty"` // the session
}

// piece is what is worked on alone.
type piece struct {
	Kind   pieceKind `json:"kind,omitempty"`
	Topic  string    `json:"topic"`
	Offset int64     `json:"offset"`
	Change int       `json:"change,omitempty"`
	Item   int       `json:"item,omitempty"` // the first item of a part, or the element of a held chunk
	From   int       `json:"from,omitempty"` // how many of the held chunk's messages had left
}

type pieceKind string

const (
	pieceRecord pieceKind = ""     // a record that is next of its input
	piecePart   pieceKind = "part" // a deferred record, or the rest of a record that leaves in parts
	pieceHeld   pieceKind = "held" // a held chunk, or the rest of one
)

// lane is where the piece is worked on.
func (p *piece) lane() lane {
	if p.Kind == pieceRecord && p.Topic != schemas.TopicRawBulk.String() {
		return laneLive
	}
	return laneBacklog
}

// tries are how often something was under way alone.
type tries struct {
	piece
	Tries int  `json:"tries"`
	Under bool `json:"under,omitempty"` // it is under way
}

// outcome is how the work of a session on a partition ended.
type outcome string

const (
	outcomeNone      outcome = ""          // it has not, or the process died
	outcomeFailed    outcome = "failed"    // it may be because of what was worked on
	outcomeBlameless outcome = "blameless" // it has to do with no body: a stop, a rebalance, brokers that were away
)

// begun is the note of a session that begins at a place.
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
			continue // it got through
		}
		a.Alone = append(a.Alone, one)
		if one.Kind == pieceRecord || p.backlog { // something else may have got on, this did not
			n := &a.Sessions[one.lane()]
			*n = max(*n, failedSessionsMax+1)
		}
	}
	return a
}

// careful tells of which lanes to do one thing at a time.
func (a *attempt) careful() (lanes [lanesCount]bool) {
	for l, n := range a.Sessions {
		lanes[l] = n > failedSessionsMax
	}
	return lanes
}

// alone is the note before something is worked on alone; over tells that it had its tries, and is set aside.
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
	one.Tries, one.Under = min(one.Tries, failedSessionsMax)+1, true // an end that does not count takes the last one back
	all = append(all, one)
	a.Alone = all[max(len(all)-aloneMax, 0):]
	return a, over
}

// got is the note after what was under way is committed.
func (a attempt) got() attempt {
	a.Alone = slices.DeleteFunc(slices.Clone(a.Alone), func(one tries) bool { return one.Under })
	return a
}

// relaxed is the note after a lane needs no more care: enough of it got through alone, or nothing of it is left.
func (a attempt) relaxed(l lane) attempt {
	a.Sessions[l] = 0
	if l == laneBacklog { // no position shows that these got through
		a.Alone = slices.DeleteFunc(slices.Clone(a.Alone), func(one tries) bool { return one.Kind != pieceRecord })
	}
	return a
}

// ended is the note of a session that ends. What is told first holds.
func (a attempt) ended(how outcome) attempt {
	if a.End == outcomeNone {
		a.End = how
	}
	return a
}

// outcomeOf tells how work ended: with an error, or without, after so long. worked is without the time for which the brokers were
// waited for: a transaction that took longer than it may was ended by them.
func outcomeOf(err error, worked, transactionTimeout time.Duration) outcome {
	if attributable(err) || worked >= transactionTimeout {
		return outcomeFailed
	}
	return outcomeBlameless
}
