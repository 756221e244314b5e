package judge

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

const (
	// statusLag is how far the newest state of a sync may be behind the clock: a wait ends with a tick.
	statusLag = 15 * time.Second
	// checkMax is how long a check may read. A wait that ends meanwhile may have ended, or not.
	checkMax = 15 * time.Minute
)

// expectation is what the newest record of a requested sync has to say.
type expectation struct {
	statuses []string // any of them; nil: not judged
	pending  bool     // nothing has come: the window is the next one
}

// expectStatus returns the statuses that a number may have at the time of the check.
func (j *Judge) expectStatus(n *number, a *asked, declinedMS int64) expectation {
	if a.vague || j.cut {
		return expectation{}
	}
	var answers []*window
	for _, w := range n.windows {
		if opened, _, _ := j.spanOf(w); opened >= a.beganMS() {
			answers = append(answers, w)
		}
	}
	switch {
	case declinedMS >= a.beganMS() && len(answers) == 0:
		return expectation{statuses: []string{schemas.SyncStatusDeclined}}
	case declinedMS != 0:
		return expectation{}
	case len(answers) > 1:
		return expectation{statuses: []string{""}} // the later window belongs to an onboarding that the desk did not request
	case len(answers) == 1:
		return expectation{statuses: j.windowStatuses(answers[0])}
	}
	return expectation{statuses: j.between(func(t int64) string { return j.pendingStatus(a, t) }, j.waitsOf(a)...), pending: true}
}

// between returns the statuses at the time of the check, and after each wait that may end while it reads.
func (j *Judge) between(at func(ms int64) string, waits ...int64) []string {
	asOf := j.opt.AsOf.UnixMilli()
	all := []string{at(asOf - statusLag.Milliseconds()), at(asOf)}
	for _, w := range waits {
		if w > asOf-statusLag.Milliseconds() && w <= asOf+checkMax.Milliseconds() {
			all = append(all, at(w))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (j *Judge) waitsOf(a *asked) []int64 {
	waits := []int64{a.deadlineMS(), a.deadlineMS() - j.opt.DeadlineNear.Milliseconds()}
	if h := a.tries[syncrequest.History]; h != nil && h.requestedMS != 0 {
		return append(waits, h.requestedMS+j.opt.SilentAfter.Milliseconds())
	}
	return waits
}

// pendingStatus is the status of a history of which nothing has come.
func (j *Judge) pendingStatus(a *asked, now int64) string {
	h, deadline := a.tries[syncrequest.History], a.deadlineMS()
	refused := func(code int64) bool { return h != nil && h.State == syncrequest.Refused && h.Error.Code == code }
	over := deadline != 0 && now >= deadline
	switch {
	case refused(syncrequest.CodeDeclined):
		return schemas.SyncStatusDeclined
	case h != nil && h.requestedMS != 0 && now >= h.requestedMS+j.opt.SilentAfter.Milliseconds():
		return schemas.SyncStatusSilent
	case h != nil && h.requestedMS != 0:
		return schemas.SyncStatusRequested
	case refused(syncrequest.CodeTooLate):
		return schemas.SyncStatusRefused
	case over && (h == nil || h.State != syncrequest.Unknown):
		return schemas.SyncStatusMissed
	case !over && deadline != 0 && now >= deadline-j.opt.DeadlineNear.Milliseconds():
		return schemas.SyncStatusDeadlineNear
	case h == nil:
		return schemas.SyncStatusNotRequested
	}
	return map[syncrequest.State]string{
		syncrequest.Intended: schemas.SyncStatusIntended, syncrequest.NotSent: schemas.SyncStatusNotRequested,
		syncrequest.Unknown: schemas.SyncStatusUnknown, syncrequest.Refused: schemas.SyncStatusRefused,
	}[h.State]
}

// windowStatuses returns the statuses of a sync that has begun; nil: not judged.
func (j *Judge) windowStatuses(w *window) []string {
	state := j.stateOf(w)
	_, last, lastCopy := j.spanOf(w)
	stalled := []int64{last + j.opt.StalledAfter.Milliseconds(), lastCopy + j.opt.StalledAfter.Milliseconds()}
	quiet := []int64{last + j.opt.QuietTime.Milliseconds(), lastCopy + j.opt.QuietTime.Milliseconds()}
	running := func(copied int) func(now int64) string {
		return func(now int64) string {
			switch {
			case now >= quiet[copied]:
				return schemas.SyncStatusDone
			case now >= stalled[copied]:
				return schemas.SyncStatusStalled
			}
			return schemas.SyncStatusRunning
		}
	}
	switch {
	case state == "" && !w.cut && len(w.chunks) > 0, w.cut:
		return nil // it depends on chunks that may be late, or were never sent
	case len(w.gaps) > 0:
		// It is a hole once a chunk behind it in its phase has waited for long enough. The phases before may keep it waiting longer.
		until := slices.Max(w.gaps) + j.opt.GapTimeout.Milliseconds()
		if j.opt.AsOf.UnixMilli() > until+j.opt.PhaseHold.Milliseconds()+statusLag.Milliseconds() {
			return []string{schemas.SyncStatusHole}
		}
		if asOf := j.opt.AsOf.UnixMilli(); asOf+checkMax.Milliseconds() < slices.Min(w.gaps)+j.opt.GapTimeout.Milliseconds() {
			break
		}
		return nil
	case w.holes:
		return nil // the processor may not see that a chunk is missing
	case state == schemas.SyncDone:
		return []string{schemas.SyncStatusDone}
	}
	all := append(j.between(running(0), stalled[0], quiet[0]), j.between(running(1), stalled[1], quiet[1])...)
	slices.Sort(all)
	return slices.Compact(all)
}

// asking has the properties of a record on `syncs` that are about requests.
type asking struct {
	OnboardedAt       time.Time `json:"onboarded_at"`
	RequestedAt       time.Time `json:"requested_at"`
	RequestDeadlineAt time.Time `json:"request_deadline_at"`
	DeadlineAt        time.Time `json:"deadline_at"`
	ChunksHeld        int64     `json:"chunks_held"`
	Phases            []struct {
		GapsOmitted int64 `json:"gaps_omitted"`
		Gaps        []struct {
			GivenUp bool `json:"given_up"`
			Lost    bool `json:"lost"`
		} `json:"gaps"`
	} `json:"phases"`
	Requests []request `json:"requests"`
}

// request is one of the requests in a record on `syncs`.
type request struct {
	SyncType    string    `json:"sync_type"`
	State       string    `json:"state"`
	At          time.Time `json:"at"`
	RequestedAt time.Time `json:"requested_at"`
	RequestedBy string    `json:"requested_by"`
	Provider    string    `json:"provider"`
	RequestID   string    `json:"request_id"`
	Attempt     string    `json:"attempt"`
	Attempts    int64     `json:"attempts"`
	Error       *struct {
		Code    int64 `json:"code"`
		Subcode int64 `json:"subcode"`
	} `json:"error"`
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (j *Judge) sameRequest(d *differences, q *request, t *try) {
	name := func(property string) string { return "requests." + q.SyncType + "." + property }
	d.text(name("state"), q.State, string(t.State))
	d.text(name("attempt"), q.Attempt, t.Attempt)
	d.text(name("request_id"), q.RequestID, t.RequestID)
	d.text(name("requested_by"), q.RequestedBy, t.RequestedBy)
	d.text(name("provider"), q.Provider, t.Provider)
	d.number(name("at"), millis(q.At), t.atMS)
	d.number(name("requested_at"), millis(q.RequestedAt), t.requestedMS)
	d.number(name("attempts"), q.Attempts, t.attempts)
	code := int64(0)
	if q.Error != nil {
		code = q.Error.Code
	}
	if t.Error != nil {
		d.number(name("error.code"), code, t.Error.Code)
	} else {
		d.number(name("error.code"), code, 0)
	}
}

// requestDifferences compares the newest record of a requested sync with the steps in the raw log.
func (j *Judge) requestDifferences(d *differences, e *event, a *asked) {
	if a.vague || e.Status == "" {
		return
	}
	k := e.asking
	d.number("onboarded_at", millis(k.OnboardedAt), a.onboardedMS)
	d.number("request_deadline_at", millis(k.RequestDeadlineAt), a.deadlineMS())
	if h := a.tries[syncrequest.History]; h != nil {
		d.number("requested_at", millis(k.RequestedAt), h.requestedMS)
	}
	d.number("requests", int64(len(k.Requests)), int64(len(a.tries)))
	for i := range k.Requests {
		if t := a.tries[syncrequest.SyncType(k.Requests[i].SyncType)]; t != nil {
			j.sameRequest(d, &k.Requests[i], t)
		}
	}
}

// pendingStatuses are those of a history of which nothing has come.
var pendingStatuses = []string{
	schemas.SyncStatusIntended, schemas.SyncStatusNotRequested, schemas.SyncStatusDeadlineNear, schemas.SyncStatusMissed,
	schemas.SyncStatusUnknown, schemas.SyncStatusRefused, schemas.SyncStatusRequested, schemas.SyncStatusSilent,
}

// isPending reports whether a record is about a requested sync of which nothing has come.
func (e *event) isPending() bool { return slices.Contains(pendingStatuses, e.Status) }

// statusDifferences compares the status of any record with the other properties of the record.
func (j *Judge) statusDifferences(e *event) (d differences) {
	if e.Status == "" {
		return nil
	}
	k := e.asking
	come := e.Chunks > 0 || k.ChunksHeld > 0 || len(e.Errors) > 0
	hole := false
	for _, p := range k.Phases {
		hole = hole || p.GapsOmitted > 0
		for _, g := range p.Gaps {
			hole = hole || g.GivenUp || g.Lost
		}
	}
	wait := func(name string, at time.Time, wait time.Duration) {
		if at.IsZero() || k.DeadlineAt.IsZero() || !k.DeadlineAt.Equal(at.Add(wait)) {
			d = append(d, "deadline_at is not "+name)
		}
	}
	if come && e.isPending() {
		d = append(d, "status is "+e.Status+" though chunks came")
	}
	switch e.Status {
	case schemas.SyncStatusRequested:
		wait("the end of the wait for the first chunk", k.RequestedAt, j.opt.SilentAfter)
	case schemas.SyncStatusSilent:
		if k.RequestedAt.IsZero() || !k.DeadlineAt.IsZero() {
			d = append(d, "status is silent without a request, or before the end of the wait")
		}
	case schemas.SyncStatusDeadlineNear:
		wait("the end of the time for requests", k.RequestDeadlineAt, 0)
	case schemas.SyncStatusIntended, schemas.SyncStatusNotRequested:
		if !k.RequestDeadlineAt.IsZero() {
			wait("the time at which the deadline is near", k.RequestDeadlineAt, -j.opt.DeadlineNear)
		}
	case schemas.SyncStatusMissed:
		d.text("state", e.State, schemas.SyncDone)
	case schemas.SyncStatusRunning, schemas.SyncStatusStalled, schemas.SyncStatusDone, schemas.SyncStatusHole:
		if !come {
			d = append(d, "status is "+e.Status+" though nothing came")
		}
		if hole != (e.Status == schemas.SyncStatusHole) {
			d = append(d, "status is "+e.Status+", and the gaps say otherwise")
		}
		if e.Status == schemas.SyncStatusDone {
			d.text("state", e.State, schemas.SyncDone)
		}
	case schemas.SyncStatusDeclined, schemas.SyncStatusOffboarded:
		d.text("state", e.State, e.Status)
	case schemas.SyncStatusUnknown, schemas.SyncStatusRefused:
	default:
		d = append(d, "status is "+e.Status)
	}
	return d
}
