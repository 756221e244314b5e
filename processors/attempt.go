package processors

import "time"

const (
	// patience is how many sessions may fail at one place before one is careful, and how often a body is tried alone.
	patience = 2
	// carefulMax is how many bodies of a partition a session works on alone: more cost seconds where nothing is wrong, fewer cost
	// more sessions until one that stands far behind is found.
	carefulMax = 256
)

// attempt is what is noted of a partition: how often work on it began at one place and failed. It is a state machine of the
// events begun, alone, got and ended.
type attempt struct {
	At       [3]int64 `json:"at"`       // how far its inputs were worked on, in the order of schemas.Inputs
	Sessions int      `json:"sessions"` // the sessions that failed there, and the one that is at work
	// The body of each input that was the last one to be under way alone, and behind them a held chunk. The others get on
	// meanwhile.
	Alone [4]tries `json:"alone"`
	Under int      `json:"under,omitempty"` // which of them is under way, counted from 1; 0: none is
	End   outcome  `json:"end,omitempty"`
	By    string   `json:"by,omitempty"` // the session
}

// tries are how often a body, or a part of a held chunk, was under way alone.
type tries struct {
	Topic   string `json:"topic,omitempty"`
	Offset  int64  `json:"offset"`
	Change  uint16 `json:"change,omitempty"`
	Element uint16 `json:"element,omitempty"`
	From    int    `json:"from,omitempty"` // how many of the chunk's messages had left
	Tries   int    `json:"tries"`
}

// outcome is how the work of a session on a partition ended.
type outcome string

const (
	outcomeNone      outcome = ""          // it has not, or the process died
	outcomeFailed    outcome = "failed"    // it may be because of what was worked on
	outcomeBlameless outcome = "blameless" // it has to do with no body: a stop, a rebalance, brokers that were away
)

// begun is the note of a session that begins at a place.
func (a attempt) begun(at [3]int64, by string) attempt {
	counts := a.End != outcomeBlameless
	moved := a.Sessions == 0 || a.At != at
	if !counts && a.Under > 0 {
		one := &a.Alone[a.Under-1]
		one.Tries = max(one.Tries-1, 0)
	}
	a.Under, a.End, a.By = 0, outcomeNone, by
	switch a.At = at; {
	case moved:
		a.Sessions = 1
	case counts:
		a.Sessions++
	}
	for i := range a.Alone[:ofHeld] {
		switch one := &a.Alone[i]; {
		case one.Offset < at[i]:
			*one = tries{} // it got through
		case one.Tries > 0 && moved: // something else got on, this did not
			a.Sessions = patience + 1
		}
	}
	return a
}

// careful tells whether to do one thing at a time.
func (a *attempt) careful() bool { return a.Sessions > patience }

// alone is the note before a body is worked on alone; over tells that it had its tries.
func (a attempt) alone(as int, what tries) (next attempt, over bool) {
	one := &a.Alone[as]
	what.Tries = one.Tries
	if *one != what {
		what.Tries = 0
		*one = what
	}
	if one.Tries >= patience {
		return a, true
	}
	one.Tries++
	a.Under = as + 1
	return a, false
}

// got is the note after what was under way is committed.
func (a attempt) got() attempt {
	a.Under = 0
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
