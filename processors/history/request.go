package history

import (
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// requests are the requests of the desk for the newest onboarding of a number. They are part of the number's record.
type requests struct {
	// Window is the window with the requested data; 0: nothing has come.
	Window      int32  `json:"w,omitempty"`
	OnboardedAt millis `json:"onboarded,omitempty"` // 0: not known
	Since       millis `json:"since"`               // the first step
	// Waited is the end of the last wait that is over. The status depends on it, and on nothing else that is a clock.
	Waited  millis `json:"waited"`
	EndedAt millis `json:"ended,omitempty"` // when an account event ended the onboarding before anything came

	Contacts *attempt `json:"contacts,omitempty"`
	History  *attempt `json:"history,omitempty"`

	untold bool // the record on `syncs` is old
	behind bool // the record on `syncs` is that of a window, so the same state has to follow it
}

// attempt is the newest attempt to request a sync type.
type attempt struct {
	State       syncrequest.State    `json:"s"`
	ID          string               `json:"id"`
	RequestID   string               `json:"request,omitempty"`
	By          string               `json:"by"`
	Provider    string               `json:"provider"`
	At          millis               `json:"at"`
	RequestedAt millis               `json:"requested,omitempty"` // the first time the vendor accepted it; 0: never
	ArrivedAt   millis               `json:"arrived,omitempty"`   // of contacts
	Attempts    int64                `json:"n"`
	Error       *syncrequest.Failure `json:"error,omitempty"`
}

// requestSlack is the maximum difference of the clocks of the desk and the ingress.
const requestSlack = millis(60_000)

// Request records a step of a request. Steps can come in any order, and again.
func (n *Number) Request(receivedAt time.Time, step *syncrequest.Record) {
	t := min(millis(step.At), at(receivedAt))
	onboardedAt := min(millis(step.OnboardedAt), at(receivedAt))
	r := n.requests
	before := r.copy()
	switch {
	case r == nil, n.asksAnew(r, step, t, onboardedAt):
		r = &requests{Since: t, Waited: t}
		n.requests = r
	case r.OnboardedAt != 0 && onboardedAt != 0 && onboardedAt.plus(requestSlack) < r.OnboardedAt:
		return // of the onboarding before
	}
	r.Since = min(r.Since, t)
	if r.OnboardedAt == 0 && onboardedAt > 0 {
		r.OnboardedAt = onboardedAt
		if w := n.answering(r); w != nil && w.openedAt.plus(requestSlack) < onboardedAt {
			r.Window = 0
		}
	}
	if r.Window == 0 && r.EndedAt == 0 {
		n.find(r, t)
	}
	of := r.of(step.SyncType)
	if *of == nil {
		*of = &attempt{}
	}
	(*of).step(t, step)
	n.changed = true
	if before != nil && n.answering(r) != nil {
		before.Since = r.Since // the sync of a window does not show it
	}
	if before == nil || !r.equal(before) {
		n.retellRequests()
	}
}

// copy returns a copy that later steps do not change.
func (r *requests) copy() *requests {
	if r == nil {
		return nil
	}
	c := *r
	for _, a := range []**attempt{&c.Contacts, &c.History} {
		if *a != nil {
			of := **a
			*a = &of
		}
	}
	return &c
}

// equal reports whether two states of one request are the same. A step replaces an error as a whole.
func (r *requests) equal(o *requests) bool {
	a, b := *r, *o
	a.Contacts, a.History, b.Contacts, b.History = nil, nil, nil, nil
	a.untold, a.behind = b.untold, b.behind
	same := func(a, b *attempt) bool { return a == b || a != nil && b != nil && *a == *b }
	return a == b && same(r.Contacts, o.Contacts) && same(r.History, o.History)
}

// asksAnew reports whether a step belongs to a later onboarding than the known requests.
func (n *Number) asksAnew(r *requests, step *syncrequest.Record, t, onboardedAt millis) bool {
	switch {
	case r.knows(step):
		return false // of a call that an account event or a decline overtook
	case onboardedAt != 0 && r.OnboardedAt != 0:
		return onboardedAt > r.OnboardedAt.plus(requestSlack)
	case r.EndedAt != 0:
		return t > r.EndedAt
	case r.Window != 0 && t > r.Since:
		w := n.answering(r)
		return w == nil || w == n.last() && n.separated(t) && t > w.lastAt
	}
	return false
}

// of returns the attempt of a sync type.
func (r *requests) of(t syncrequest.SyncType) **attempt {
	if t == syncrequest.Contacts {
		return &r.Contacts
	}
	return &r.History
}

// knows reports whether an earlier step of the attempt is known.
func (r *requests) knows(step *syncrequest.Record) bool {
	a := *r.of(step.SyncType)
	return a != nil && a.ID == step.Attempt
}

func (r *requests) bytes() (b int) {
	if r == nil {
		return 0
	}
	b = int(unsafe.Sizeof(*r))
	for _, a := range []*attempt{r.Contacts, r.History} {
		if a == nil {
			continue
		}
		b += int(unsafe.Sizeof(*a)) + len(a.ID) + len(a.RequestID) + len(a.By) + len(a.Provider)
		if a.Error != nil {
			b += int(unsafe.Sizeof(*a.Error)) + len(a.Error.Message)
		}
	}
	return b
}

// separated reports whether a known account event or decline separates the last window from a time.
func (n *Number) separated(t millis) bool {
	if n.fenced != fenceNone && n.fence <= t {
		return true
	}
	for _, b := range n.pending {
		if at(b.ReceivedAt) <= t && n.parts(b) {
			return true
		}
	}
	return false
}

// find looks for the window with the requested data. Webhooks may be processed before the step.
func (n *Number) find(r *requests, t millis) {
	w := n.last()
	switch {
	case w == nil:
	case r.OnboardedAt != 0:
		if w.openedAt.plus(requestSlack) >= r.OnboardedAt {
			r.Window = w.number
		}
	case w.openedAt.plus(requestSlack) >= r.Since || !n.separated(t):
		r.Window = w.number
	}
}

// answering returns the window with the requested data; nil: none, or it is forgotten.
func (n *Number) answering(r *requests) *window {
	for i := len(n.windows) - 1; i >= 0 && r.Window != 0; i-- {
		if w := n.windows[i]; w.number == r.Window {
			return w
		}
	}
	return nil
}

// answer notes that a window opened: it has the requested data, or belongs to another onboarding.
func (n *Number) answer(w *window) {
	r := n.requests
	if r == nil {
		return
	}
	since := r.Since
	if r.OnboardedAt != 0 {
		since = r.OnboardedAt
	}
	before := n.answering(r)
	switch {
	case r.EndedAt != 0, before != nil && before.openedAt.plus(requestSlack) >= since:
		n.requests = nil // a later onboarding
	case r.OnboardedAt != 0 && w.openedAt.plus(requestSlack) < since: // an earlier onboarding
	default:
		r.Window = w.number
	}
	n.changed = true
}

// step records a step of an attempt.
func (a *attempt) step(t millis, s *syncrequest.Record) {
	accepted := s.State == syncrequest.Accepted
	if accepted || s.State == syncrequest.Refused && s.Error.Code == syncrequest.CodeRequested && a.RequestedAt == 0 {
		if a.RequestedAt == 0 || t < a.RequestedAt {
			a.RequestedAt = t
		}
	}
	switch {
	case a.ID == s.Attempt:
		if certainty(s.State) <= certainty(a.State) {
			return
		}
	case a.ID != "" && t < a.At:
		return // an earlier attempt
	default:
		a.Attempts++
	}
	a.ID, a.State, a.At = s.Attempt, s.State, t
	a.RequestID, a.By, a.Provider, a.Error = s.RequestID, s.RequestedBy, s.Provider, s.Error
}

// certainty orders the states of an attempt: a later one replaces an earlier one.
func certainty(s syncrequest.State) int {
	switch s {
	case syncrequest.Intended:
		return 1
	case syncrequest.NotSent:
		return 2
	case syncrequest.Unknown:
		return 3
	case syncrequest.Refused:
		return 4
	case syncrequest.Accepted:
		return 5
	}
	return 0
}

// ContactsCame records a webhook with contacts.
func (n *Number) ContactsCame(receivedAt time.Time) (changed bool) {
	r := n.requests
	if r == nil || r.Contacts == nil || r.EndedAt != 0 {
		return false
	}
	t := at(receivedAt)
	if t.plus(requestSlack) < r.Since || r.Contacts.ArrivedAt != 0 && r.Contacts.ArrivedAt <= t {
		return false
	}
	r.Contacts.ArrivedAt = t
	n.retellRequests()
	return true
}

// Offboard ends the requests that have no answer, if an account event ended their onboarding.
func (n *Number) Offboard(b Boundary) (changed bool) {
	r := n.requests
	if r == nil || r.Window != 0 || r.EndedAt != 0 || b.Opens {
		return false
	}
	t := at(b.ReceivedAt)
	if t <= r.Since || !b.Time.IsZero() && at(b.Time) <= r.Since-span(BoundarySlack) {
		return false
	}
	r.EndedAt = t
	n.retellRequests()
	return true
}

// retellRequests makes TakeSync return the sync with the requests.
func (n *Number) retellRequests() {
	n.changed = true
	if w := n.answering(n.requests); w != nil {
		w.untold = true
	} else {
		n.requests.untold = true
	}
}

// Status returns the status of the requested sync; empty: none was requested.
func (n *Number) Status() string {
	if n.requests == nil {
		return ""
	}
	return n.status(n.requests)
}

func (n *Number) status(r *requests) string {
	if w := n.answering(r); w != nil {
		return n.windowStatus(r, w)
	}
	deadline, h := r.deadline(), r.History
	switch {
	case r.EndedAt != 0:
		return schemas.SyncStatusOffboarded
	case h != nil && h.refusedWith(syncrequest.CodeDeclined):
		return schemas.SyncStatusDeclined
	case h != nil && h.RequestedAt != 0 && r.Waited >= h.RequestedAt.plus(n.waits.silent):
		return schemas.SyncStatusSilent
	case h != nil && h.RequestedAt != 0:
		return schemas.SyncStatusRequested
	case h != nil && h.refusedWith(syncrequest.CodeTooLate):
		return schemas.SyncStatusRefused
	case r.Waited >= deadline && (h == nil || h.State != syncrequest.Unknown):
		return schemas.SyncStatusMissed
	case r.Waited < deadline && r.Waited >= n.nearFrom(deadline):
		return schemas.SyncStatusDeadlineNear
	case h == nil || h.State == syncrequest.NotSent:
		return schemas.SyncStatusNotRequested
	case h.State == syncrequest.Refused:
		return schemas.SyncStatusRefused
	case h.State == syncrequest.Unknown:
		return schemas.SyncStatusUnknown
	}
	return schemas.SyncStatusIntended
}

func (a *attempt) refusedWith(code int64) bool {
	return a.State == syncrequest.Refused && a.Error.Code == code
}

func (n *Number) windowStatus(r *requests, w *window) string {
	switch {
	case w.state == schemas.SyncDeclined && w.ended:
		return schemas.SyncStatusDeclined
	case w.state == schemas.SyncOffboarded && w.ended:
		return schemas.SyncStatusOffboarded
	case w.hasHole():
		return schemas.SyncStatusHole
	case w.closed:
		return schemas.SyncStatusDone
	case r.Waited >= w.lastAt.plus(n.waits.stalled):
		return schemas.SyncStatusStalled
	}
	return schemas.SyncStatusRunning
}

func (w *window) hasHole() bool {
	for i := range w.phases {
		if w.phases[i].gapCount() > 0 {
			return true
		}
	}
	return false
}

// deadline returns the time until which a sync can be requested; never: not known.
func (r *requests) deadline() millis {
	if r.OnboardedAt == 0 {
		return never
	}
	return r.OnboardedAt.plus(span(schemas.RequestWindow))
}

// nearFrom returns the time from which on a deadline is near.
func (n *Number) nearFrom(deadline millis) millis {
	if deadline == never {
		return never
	}
	return deadline - n.waits.near
}

// nextWait returns the end of the next wait that may change the status; never: there is none.
func (n *Number) nextWait(r *requests) millis {
	until := never
	wait := func(t millis) {
		if t > r.Waited {
			until = min(until, t)
		}
	}
	switch w := n.answering(r); {
	case w != nil && !w.ended:
		wait(w.lastAt.plus(n.waits.stalled))
	case w != nil || r.EndedAt != 0:
	case r.History != nil && r.History.RequestedAt != 0:
		wait(r.History.RequestedAt.plus(n.waits.silent))
	case r.OnboardedAt != 0:
		wait(n.nearFrom(r.deadline()))
		wait(r.deadline())
	}
	return until
}

// requestExpiry returns when requests without an answer are forgotten; never: they are forgotten with their window.
func (n *Number) requestExpiry(r *requests) millis {
	if n.answering(r) != nil {
		return never
	}
	last := max(r.Since, r.EndedAt)
	if r.OnboardedAt != 0 {
		last = max(last, r.deadline())
	}
	for _, a := range []*attempt{r.Contacts, r.History} {
		if a != nil {
			last = max(last, a.At)
		}
	}
	return last.plus(n.waits.memory)
}

// passRequests ends the waits of the requests that are over at t.
func (n *Number) passRequests(t millis) {
	r := n.requests
	if r == nil {
		return
	}
	for until := n.nextWait(r); until <= t; until = n.nextWait(r) {
		before := n.status(r)
		r.Waited = until
		n.changed = true
		if n.status(r) != before {
			n.retellRequests()
		}
	}
	if n.requestExpiry(r) > t {
		return
	}
	if r.Window == 0 {
		s := n.pendingSync(r)
		if s.State == schemas.SyncRunning {
			ended := n.requestExpiry(r).time()
			s.State, s.EndReason, s.EndedAt, s.DeadlineAt = schemas.SyncDone, schemas.SyncEndQuiet, &ended, nil
		}
		n.farewell = append(n.farewell, s)
	}
	n.requests, n.changed = nil, true
}

// pendingSync returns the sync of requests without an answer: that of the window that will have the answer.
func (n *Number) pendingSync(r *requests) schemas.Sync {
	s := schemas.Sync{
		WABAID: n.id.WABAID, PhoneNumberID: n.id.PhoneNumberID, DisplayPhoneNumber: n.id.DisplayPhoneNumber,
		Window: n.count + 1, State: schemas.SyncRunning, OrderKnown: true, Phases: []schemas.SyncPhase{},
	}
	last := r.Since
	for _, a := range []*attempt{r.Contacts, r.History} {
		if a != nil {
			last = max(last, a.At)
		}
	}
	s.OpenedAt, s.LastAt = r.Since.time(), last.time()
	n.tellRequests(&s, r, nil)
	end := func(state, reason string, at millis) {
		ended := at.time()
		s.State, s.EndReason, s.EndedAt = state, reason, &ended
	}
	switch s.Status {
	case schemas.SyncStatusOffboarded:
		end(schemas.SyncOffboarded, schemas.SyncEndOffboarded, r.EndedAt)
	case schemas.SyncStatusDeclined:
		end(schemas.SyncDeclined, schemas.SyncEndDeclined, r.History.At)
	case schemas.SyncStatusMissed:
		end(schemas.SyncDone, schemas.SyncEndQuiet, r.deadline())
	default:
		if until := n.nextWait(r); until != never {
			deadline := until.time()
			s.DeadlineAt = &deadline
		}
	}
	return s
}

// tellRequests adds the requests to a sync. w is the window with the answer; nil: there is none.
func (n *Number) tellRequests(s *schemas.Sync, r *requests, w *window) {
	s.Status, s.OnboardedAt = n.status(r), timeOf(r.OnboardedAt)
	if deadline := r.deadline(); deadline != never {
		s.RequestDeadlineAt = timeOf(deadline)
	}
	if r.Contacts != nil {
		s.Requests = append(s.Requests, r.Contacts.request(syncrequest.Contacts))
	}
	if r.History == nil {
		return
	}
	s.RequestedAt = timeOf(r.History.RequestedAt)
	h := r.History.request(syncrequest.History)
	if w != nil {
		h.ArrivedAt = timeOf(w.openedAt)
	}
	s.Requests = append(s.Requests, h)
}

func (a *attempt) request(t syncrequest.SyncType) schemas.SyncRequest {
	q := schemas.SyncRequest{
		SyncType: string(t), State: string(a.State), At: a.At.time(), RequestedAt: timeOf(a.RequestedAt), RequestedBy: a.By, Provider: a.Provider,
		RequestID: a.RequestID, Attempt: a.ID, Attempts: a.Attempts, ArrivedAt: timeOf(a.ArrivedAt),
	}
	if e := a.Error; e != nil {
		q.Error = &schemas.SyncRequestError{Code: e.Code, Subcode: e.Subcode, Message: e.Message}
	}
	return q
}

func timeOf(m millis) *time.Time {
	if m == 0 {
		return nil
	}
	t := m.time()
	return &t
}
