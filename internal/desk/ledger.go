package desk

import (
	"maps"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Types lists the sync types in the order in which they are requested.
func Types() []syncrequest.SyncType {
	return []syncrequest.SyncType{syncrequest.Contacts, syncrequest.History}
}

// Outcomes of a step that decide about the next one.
const (
	OutcomeThrottled        = "throttled"
	OutcomeDenied           = "denied"
	OutcomeAlreadyRequested = "already_requested"
	OutcomeWindowMissed     = "window_missed"
)

// Request is the state of one type in the present onboarding.
type Request struct {
	Wanted     bool
	State      syncrequest.State // of the last attempt; empty: there was none
	Outcome    string
	Attempt    string
	At         int64 // of the last step
	IntendedAt int64 // of the last attempt
	By         string
	RequestID  string
	Error      *syncrequest.Failure
	RetryAt    int64
	Tries      int  // attempts in this onboarding
	Again      bool // a person asked for another attempt
}

// Number is the ledger of a number.
type Number struct {
	ID, WABA, Provider string
	Last               string // id of the last entry that counts
	AskedAt            int64  // when the present onboarding was first asked about
	OnboardedAt        int64  // 0: not known
	Onboardings        int
	Requests           map[syncrequest.SyncType]Request

	unknownAfter time.Duration
}

// Window is the time for requests after an onboarding.
const Window = 24 * time.Hour

// Deadline returns the end of the 24 hours; the zero time: not known.
func (n *Number) Deadline() time.Time {
	if n.OnboardedAt == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n.OnboardedAt).Add(Window)
}

// Anew reports whether an onboarding at a time (Unix milliseconds) is another one than the present one: it is later than each
// request that the provider may have. So a repeated wish for a new onboarding leads to no second request.
func (n *Number) Anew(onboardedAt int64) bool {
	last := n.lastRequest()
	return last == 0 || onboardedAt > last
}

// lastRequest returns the time of the last request that the provider may have, in Unix milliseconds; 0: there is none.
func (n *Number) lastRequest() (last int64) {
	for _, r := range n.Requests {
		if r.Known() {
			last = max(last, r.IntendedAt)
		}
	}
	return last
}

// Undecided returns the types that the provider did not accept in this onboarding. Another attempt of the other types has to
// name them.
func (n *Number) Undecided() (types []syncrequest.SyncType) {
	for _, t := range Types() {
		if r := n.Requests[t]; r.State != syncrequest.Accepted && r.Outcome != OutcomeAlreadyRequested {
			types = append(types, t)
		}
	}
	return types
}

func (n *Number) clone() Number {
	c := *n
	c.Requests = maps.Clone(n.Requests)
	return c
}

// Ledger has the state of all numbers. The zero value is not ready: use NewLedger.
type Ledger struct {
	numbers map[string]*Number
	// uncopied are the steps that count and are not known to be in the raw log, in their order.
	uncopied     []Entry
	unknownAfter time.Duration
}

// NewLedger returns an empty ledger. An intent without an outcome counts as unknown after unknownAfter.
func NewLedger(unknownAfter time.Duration) *Ledger {
	return &Ledger{numbers: map[string]*Number{}, unknownAfter: unknownAfter}
}

// Number returns the state of a number.
func (l *Ledger) Number(id string) (Number, bool) {
	n, ok := l.numbers[id]
	if !ok {
		return Number{}, false
	}
	return n.clone(), true
}

// Numbers returns all numbers, by id.
func (l *Ledger) Numbers() []Number {
	all := make([]Number, 0, len(l.numbers))
	for _, id := range slices.Sorted(maps.Keys(l.numbers)) {
		all = append(all, l.numbers[id].clone())
	}
	return all
}

// Uncopied returns the steps that may be missing in the raw log, in their order.
func (l *Ledger) Uncopied() []Entry { return slices.Clone(l.uncopied) }

// Apply adds an entry, and reports whether it counts. Entries come in the order of the log. A repeated entry does not count
// twice.
func (l *Ledger) Apply(e *Entry) bool {
	if e.Kind == Copied {
		l.uncopied = slices.DeleteFunc(l.uncopied, func(u Entry) bool { return u.ID == e.Of })
		return true
	}
	n := l.numbers[e.Number]
	last := ""
	if n != nil {
		last = n.Last
	}
	if e.Number == "" || e.After != last {
		return false
	}
	switch {
	case e.Kind == Asked && l.ask(n, e):
	case e.Kind == Step && n != nil && n.step(e):
		l.uncopied = append(l.uncopied, *e)
	default:
		return false
	}
	l.numbers[e.Number].Last = e.ID
	return true
}

func (l *Ledger) ask(n *Number, e *Entry) bool {
	if e.WABA == "" || e.Provider == "" {
		return false
	}
	if n == nil {
		n = &Number{ID: e.Number, unknownAfter: l.unknownAfter}
		l.numbers[e.Number] = n
	}
	if n.Requests == nil || e.New && n.Anew(e.OnboardedAt) {
		n.Requests = map[syncrequest.SyncType]Request{}
		n.Onboardings++
		n.AskedAt, n.OnboardedAt = e.At, 0
	}
	n.WABA, n.Provider = e.WABA, e.Provider
	if n.OnboardedAt == 0 {
		n.OnboardedAt = e.OnboardedAt
	}
	for t, r := range n.Requests {
		r.Wanted = slices.Contains(e.Types, t)
		n.Requests[t] = r
	}
	for _, t := range e.Types {
		r := n.Requests[t]
		r.Wanted = true
		r.Again = r.Again || e.Again && r.State != "" && r.State != syncrequest.Intended
		r.By = e.By
		if r.State == syncrequest.NotSent || r.Outcome == OutcomeDenied {
			r.RetryAt = 0 // a person asks: now
		}
		n.Requests[t] = r
	}
	return true
}

// step applies a step of an attempt. The rules are those of the package comment.
func (n *Number) step(e *Entry) bool {
	rec := e.record
	r, ok := n.Requests[rec.SyncType]
	switch {
	case !ok || rec.WABAID != n.WABA:
		return false
	case rec.State == syncrequest.Intended:
		if !r.Wanted || !r.open() || rec.Attempt == r.Attempt {
			return false
		}
		r.Tries++
		r.Again, r.Attempt, r.IntendedAt, r.RequestID, r.Error = false, rec.Attempt, rec.At, "", nil
	case rec.Attempt != r.Attempt:
		return false
	case r.State == syncrequest.Intended, r.State == syncrequest.Unknown && rec.State != syncrequest.Unknown:
		// An outcome, or one that came after the attempt was given up for unknown.
		r.RequestID, r.Error = rec.RequestID, rec.Error
	default:
		return false
	}
	r.State, r.Outcome, r.At, r.RetryAt = rec.State, e.Outcome, rec.At, e.RetryAt
	n.Requests[rec.SyncType] = r
	return true
}

// open reports whether an attempt may be made.
func (r *Request) open() bool {
	switch r.State {
	case "", syncrequest.NotSent:
		return true
	case syncrequest.Intended:
		return false
	case syncrequest.Refused:
		return r.Again || r.Outcome == OutcomeDenied
	}
	return r.Again
}

// Known reports whether the type was asked of the provider, or may have been, in this onboarding.
func (r *Request) Known() bool {
	return r.State != "" && r.State != syncrequest.NotSent && r.Outcome != OutcomeDenied
}
