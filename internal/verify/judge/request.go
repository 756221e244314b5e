package judge

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// step is a record of the desk in the raw log.
type step struct {
	syncrequest.Record
	atMS int64 // when it was taken, but not after its receipt
}

// readStep reads a record of the desk; nil: it is none.
func readStep(r *Record) *step {
	if source, _ := r.header(schemas.HeaderSource); source != syncrequest.Source {
		return nil
	}
	record, err := syncrequest.Decode(r.Value)
	if err != nil {
		return nil
	}
	received, _ := r.header(schemas.HeaderReceivedAt)
	ms, err := strconv.ParseInt(received, 10, 64)
	if err != nil {
		ms = record.At
	}
	record.OnboardedAt = min(record.OnboardedAt, ms)
	return &step{record, min(record.At, ms)}
}

// takeStep keeps a step of a number of the truth.
func (j *Judge) takeStep(s *step) {
	n, known := j.byID[s.PhoneNumberID]
	if !known || j.numbers[n].WABA != s.WABAID {
		j.foreign++
		return
	}
	j.numbers[n].steps = append(j.numbers[n].steps, *s)
}

// clocks is the maximum difference of the clocks of the desk and the ingress.
const clocks = int64(60_000)

// asked has the requests for the newest onboarding of a number.
type asked struct {
	onboardedMS int64 // 0: not known
	sinceMS     int64 // the first step
	tries       map[syncrequest.SyncType]*try
	vague       bool // the log does not say which webhooks answer the requests, so no status is expected
}

// try is the newest attempt to request a sync type.
type try struct {
	step
	requestedMS int64 // when a request of the type was first accepted; 0: never
	attempts    int64
}

// beganMS is the time from which on a window can have the requested data.
func (a *asked) beganMS() int64 {
	if a.onboardedMS != 0 {
		return a.onboardedMS - clocks
	}
	return a.sinceMS - clocks
}

// deadlineMS is the end of the time for requests; 0: not known.
func (a *asked) deadlineMS() int64 {
	if a.onboardedMS == 0 {
		return 0
	}
	return a.onboardedMS + schemas.RequestWindow.Milliseconds()
}

// askedOf folds the steps of a number. A step of another onboarding has a later time of it.
func (j *Judge) askedOf(n *number) *asked {
	var a *asked
	slices.SortStableFunc(n.steps, func(x, y step) int {
		return cmp.Or(cmp.Compare(x.atMS, y.atMS), cmp.Compare(certainty[x.State], certainty[y.State]))
	})
	for i := range n.steps {
		s := &n.steps[i]
		both := a != nil && a.onboardedMS != 0 && s.OnboardedAt != 0
		switch {
		case a == nil, both && s.OnboardedAt > a.onboardedMS+clocks:
			a = &asked{sinceMS: s.atMS, tries: map[syncrequest.SyncType]*try{}}
		case both && s.OnboardedAt < a.onboardedMS-clocks:
			continue // of the onboarding before
		case !both && j.openedBetween(n, a.sinceMS, s.atMS):
			a.vague = true
		}
		a.onboardedMS = cmp.Or(a.onboardedMS, s.OnboardedAt)
		a.take(s)
	}
	if a == nil {
		return nil
	}
	// An account event may end the onboarding, and without its time older windows may count.
	for _, c := range n.closedBy {
		a.vague = a.vague || j.bodies[c.body].present() && j.bodies[c.body].receivedMS > a.beganMS()
	}
	for _, w := range n.windows {
		opened, _, _ := j.spanOf(w)
		a.vague = a.vague || a.onboardedMS == 0 && opened < a.beganMS()
	}
	return a
}

func (j *Judge) openedBetween(n *number, from, to int64) bool {
	return slices.ContainsFunc(n.windows, func(w *window) bool {
		opened, _, _ := j.spanOf(w)
		return opened >= from-clocks && opened <= to+clocks
	})
}

// certainty orders the steps of one attempt: a later one replaces an earlier one.
var certainty = map[syncrequest.State]int{
	syncrequest.Intended: 1, syncrequest.NotSent: 2, syncrequest.Unknown: 3, syncrequest.Refused: 4, syncrequest.Accepted: 5,
}

func (a *asked) take(s *step) {
	t := a.tries[s.SyncType]
	if t == nil {
		t = &try{}
		a.tries[s.SyncType] = t
	}
	known := s.State == syncrequest.Refused && s.Error.Code == syncrequest.CodeRequested
	if t.requestedMS == 0 && (known || s.State == syncrequest.Accepted) {
		t.requestedMS = s.atMS
	}
	switch {
	case t.Attempt != s.Attempt:
		t.attempts++
	case certainty[s.State] <= certainty[t.State]:
		return
	}
	t.step = *s
}

// spanOf returns the receipts of the first and the last chunk or error of a window that the raw log has, and the last of their copies.
func (j *Judge) spanOf(w *window) (opened, last, lastCopy int64) {
	take := func(b *bodyRecord) {
		if !b.present() {
			return
		}
		if opened == 0 || b.receivedMS < opened {
			opened = b.receivedMS
		}
		last, lastCopy = max(last, b.receivedMS), max(lastCopy, b.newestMS)
	}
	for _, i := range w.chunks {
		take(j.bodyOf(&j.chunks[i]))
	}
	for _, f := range w.failures {
		take(&j.bodies[f.body])
	}
	return opened, last, lastCopy
}
