package desk

import (
	"time"

	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Verb is the kind of an Action.
type Verb uint8

// The verbs.
const (
	Nothing Verb = iota // all that was wanted was requested
	Wait                // until Action.Until
	Post                // request Action.Type
	GiveUp              // write that the outcome of Action.Type is unknown
	Person              // a person has to decide: Action.Why
)

var verbNames = [...]string{Nothing: "nothing", Wait: "wait", Post: "request", GiveUp: "give_up", Person: "person"}

// String returns the name of the verb.
func (v Verb) String() string { return verbNames[v] }

// Action is the next step for a number.
type Action struct {
	Verb  Verb
	Type  syncrequest.SyncType
	Until time.Time
	Why   string
	// Denied: the former attempt was refused for its token. It is repeated with another token, or after the read of the number
	// succeeds again.
	Denied bool
}

// Next returns the next step. Contacts come before the history.
func (n *Number) Next(now time.Time) Action {
	for _, t := range Types() {
		r := n.Requests[t]
		if !r.Wanted {
			continue
		}
		if a, next := n.next(t, &r, now); !next {
			return a
		}
	}
	return Action{Verb: Nothing}
}

// next returns the action for a type, or that the next type has its turn.
func (n *Number) next(t syncrequest.SyncType, r *Request, now time.Time) (a Action, nextType bool) {
	a = Action{Type: t}
	switch {
	case r.State == syncrequest.Intended:
		if until := time.UnixMilli(r.IntendedAt).Add(n.unknownAfter); now.Before(until) {
			a.Verb, a.Until, a.Why = Wait, until, "the request is being sent"
			return a, false
		}
		a.Verb, a.Why = GiveUp, "the process ended between the intent and the outcome"
		return a, false
	case r.State == syncrequest.Accepted && !r.Again:
		return a, true
	case r.Outcome == OutcomeAlreadyRequested && !r.Again:
		return a, true
	case !r.open():
		a.Verb, a.Why = Person, whyPerson(r)
		return a, false
	}
	if deadline := n.Deadline(); !deadline.IsZero() && !now.Before(deadline) && !r.Again {
		a.Verb, a.Why = Person, "the 24 hours after the onboarding are over: the business has to be offboarded and onboarded again"
		return a, false
	}
	if at := time.UnixMilli(r.RetryAt); r.RetryAt != 0 && now.Before(at) && !r.Again {
		a.Verb, a.Until, a.Why = Wait, at, whyWait(r)
		return a, false
	}
	a.Verb, a.Denied = Post, r.Outcome == OutcomeDenied && !r.Again && r.RetryAt != 0
	return a, false
}

func whyPerson(r *Request) string {
	switch {
	case r.State == syncrequest.Unknown:
		return "the request may have reached the provider: webhooks are the proof, and nothing is sent again unasked"
	case r.Outcome == OutcomeWindowMissed:
		return "the provider refused: the 24 hours are over, and the business has to be offboarded and onboarded again"
	}
	return "the provider refused the request"
}

func whyWait(r *Request) string {
	switch r.Outcome {
	case OutcomeThrottled:
		return "the provider limits the rate"
	case OutcomeDenied:
		return "the token was refused: correct it, or its permissions"
	}
	return "the request could not be sent"
}

// RetryAfter returns the wait before the next attempt, from the number of attempts so far and the provider's wish.
func RetryAfter(outcome string, tries int, wish time.Duration) time.Duration {
	first, most := 5*time.Second, 5*time.Minute
	switch outcome {
	case OutcomeThrottled:
		first, most = time.Minute, time.Hour
	case OutcomeDenied:
		first, most = 30*time.Second, 10*time.Minute
	}
	wait := first
	for range min(max(tries, 1)-1, 10) {
		wait *= 2
	}
	return max(min(wait, most), wish)
}
