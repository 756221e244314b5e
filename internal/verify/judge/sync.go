package judge

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// syncSeen is the sync of a number: its expected state, and its newest one.
type syncSeen struct {
	owed  bool
	there bool
	want  struct {
		window   int32
		state    string
		messages int64
		chunks   int64
		sure     bool
		errors   []string
	}
	have event

	// stray is set while a state without a WABA stands in the partition of the number's id, where a body lands that names
	// the number alone. It has to give way to a tombstone once the number's WABA is known.
	// asked has the requests of the desk for the newest onboarding; nil: there are none. wantAsked is the expected status, and haveAsked
	// the newest record with one.
	asked     *asked
	wantAsked expectation
	haveAsked *event
	begun     bool // a window was expected without regard to requests

	stray     bool
	strayHave event
	known     bool // a body in the log names the number with its WABA
}

// expectSyncs works out how each number's sync has to stand.
func (j *Judge) expectSyncs() {
	for i := range j.parts {
		p := &j.parts[i]
		if b := &j.bodies[p.body]; p.kind == kindDecline && b.present() {
			j.declines[p.number] = max(j.declines[p.number], b.receivedMS)
		}
	}
	for i := range j.numbers {
		n := &j.numbers[i]
		s := &n.sync
		var w *window
		for _, v := range n.windows {
			if len(v.chunks) > 0 || len(j.failuresOf(v)) > 0 {
				w = v
			}
		}
		switch {
		case w != nil:
			s.want.window, s.want.state = w.id, j.stateOf(w)
			if n.left && len(n.windows) == 1 || j.closedBehind(n, w) {
				s.want.state = "" // it left, and whether before or after the end of its sync is the processor's to say
			}
			s.want.messages, s.want.chunks, s.want.sure = w.counts.messages, w.counts.chunks, w.sure
			s.want.errors = j.failuresOf(w)
		case j.declines[int32(i)] != 0:
			s.want.state = schemas.SyncDeclined
		case len(n.steps) == 0:
			continue
		}
		s.begun = w != nil || j.declines[int32(i)] != 0
		if s.asked = j.askedOf(n); s.asked != nil {
			s.wantAsked = j.expectStatus(n, s.asked, j.declines[int32(i)])
		}
		s.owed = true
		s.known = slices.ContainsFunc(n.namedIn, func(b int32) bool { return j.bodies[b].present() })
		j.owe(schemas.TopicSyncs, 1)
	}
}

// closedBehind reports whether an account event ended the onboarding of a window after its chunks came.
func (j *Judge) closedBehind(n *number, w *window) bool {
	last := int64(0)
	for _, i := range w.chunks {
		last = max(last, j.bodyOf(&j.chunks[i]).receivedMS)
	}
	return slices.ContainsFunc(n.closedBy, func(e closing) bool { return j.bodies[e.body].present() && j.bodies[e.body].receivedMS > last })
}

// failuresOf are the errors of a window that the raw log has, sorted: the order in which they came is not judged.
func (j *Judge) failuresOf(w *window) (errors []string) {
	for _, f := range w.failures {
		if j.bodies[f.body].present() {
			errors = append(errors, nameOfError(f.told.Code, f.told.Title, &f.phase, &f.order))
		}
	}
	slices.Sort(errors)
	return errors
}

func errorsOf(e *event) (errors []string) {
	for _, f := range e.Errors {
		errors = append(errors, nameOfError(f.Code, f.Title, f.Phase, f.ChunkOrder))
	}
	slices.Sort(errors)
	return errors
}

// errors compares what a sync says that went wrong: all of it, or as many as it lists and how many more there were.
func (d *differences) errors(have *event, s *syncSeen) {
	got, want := errorsOf(have), s.want.errors
	switch {
	case s.want.window == 0:
	case len(want) <= schemas.SyncErrorsMax:
		if !slices.Equal(got, want) {
			*d = append(*d, fmt.Sprintf("errors are %q instead of %q", got, want))
		}
	default:
		d.number("errors_omitted", have.ErrorsOmitted, int64(len(want)-schemas.SyncErrorsMax))
		if len(got) != schemas.SyncErrorsMax || slices.ContainsFunc(got, func(e string) bool { return !slices.Contains(want, e) }) {
			*d = append(*d, fmt.Sprintf("errors are %q instead of %d of %q", got, schemas.SyncErrorsMax, want))
		}
	}
}

func nameOfError(code int64, title string, phase, order *int32) string {
	place := func(n *int32) string {
		if n == nil {
			return "?"
		}
		return strconv.Itoa(int(*n))
	}
	return fmt.Sprintf("%d %s, phase %s, chunk %s", code, title, place(phase), place(order))
}

// stateOf is the state in which a window is left when all of it was processed: done when the last phase told
// progress 100 and nothing is missing. Progress 100 alone says nothing.
func (j *Judge) stateOf(w *window) string {
	if w.cut || len(w.chunks) == 0 {
		return "" // it depends on chunks that were never sent
	}
	complete := !w.holes
	for _, i := range w.chunks {
		c := &j.chunks[i]
		complete = complete && c.placed()
		if c.mayBeLate {
			return "" // it may have been given up
		}
	}
	last := &j.chunks[w.chunks[len(w.chunks)-1]]
	if complete && last.phase >= 2 && last.progress == 100 {
		return schemas.SyncDone
	}
	return schemas.SyncRunning
}

// sync takes the newest state of a number's sync.
func (j *Judge) sync(r *Record, e *event, n int32) {
	num := &j.numbers[n]
	j.keyed(r, e.PhoneNumberID)
	s := &num.sync
	if !s.owed {
		j.fault(r.Topic, Unexpected, "%s: number %s has no sync", r, e.PhoneNumberID)
		return
	}
	if e.WABAID == "" {
		j.judged(s, func() { s.stray, s.strayHave = true, *e })
		return
	}
	if e.Status != "" && s.asked == nil {
		j.fault(r.Topic, WrongContent, "%s: status is %q, and no sync of %s was requested", r, e.Status, e.PhoneNumberID)
	}
	if d := j.statusDifferences(e); len(d) > 0 {
		j.differs(r, &d, "the sync of %s", e.PhoneNumberID)
	}
	if e.isPending() {
		j.judged(s, func() { s.haveAsked = e.clone() })
		return
	}
	if s.there && e.Window < s.have.Window {
		j.fault(r.Topic, OutOfOrder, "%s: window %d of %s stands behind window %d", r, e.Window, e.PhoneNumberID, s.have.Window)
	}
	j.judged(s, func() {
		s.there, s.have = true, *e
		if e.Status != "" {
			s.haveAsked = e.clone()
		}
	})
}

// syncGone takes the tombstone of a number whose first webhook had no WABA.
func (j *Judge) syncGone(p *Reading) {
	r := &p.record
	n, ok := j.byID[string(r.Key)]
	if !ok {
		j.foreign++
		return
	}
	j.topics[r.Topic].Seen++
	j.envelope(p)
	num := &j.numbers[n]
	if !num.noWABA || !num.sync.owed || p.ceType != schemas.TypeSyncRemoved {
		j.fault(r.Topic, Unexpected, "%s: a tombstone", r)
		return
	}
	j.partitioned(r, num.PhoneNumberID)
	j.judged(&num.sync, func() { num.sync.stray = false })
}

// judged keeps count of the syncs that are not as they have to be.
func (j *Judge) judged(s *syncSeen, change func()) {
	right := s.right(j)
	change()
	switch now := s.right(j); {
	case now && !right:
		j.missing--
	case right && !now:
		j.missing++
	}
}

// right reports whether the number's sync is in the right partition alone, and has the expected state.
func (s *syncSeen) right(j *Judge) bool {
	return s.isThere() && j.syncDifferences(s) == nil
}

// isThere reports whether there is a record of the sync.
func (s *syncSeen) isThere() bool { return s.there || s.stray || !s.begun && s.haveAsked != nil }

// clone copies an event whose reading is reused.
func (e *event) clone() *event {
	c := *e
	return &c
}

// askedDifferences judges the newest record with a status.
func (j *Judge) askedDifferences(d *differences, s *syncSeen) {
	want := s.wantAsked.statuses
	if s.asked == nil || want == nil {
		return
	}
	status := ""
	switch {
	case s.haveAsked == nil:
	case s.wantAsked.pending || !s.begun:
		status = s.haveAsked.Status
	default:
		status = s.have.Status
	}
	if !slices.Contains(want, status) {
		*d = append(*d, fmt.Sprintf("status is %q instead of one of %q", status, want))
	}
	if s.haveAsked != nil && status != "" {
		j.requestDifferences(d, s.haveAsked, s.asked)
	}
}

func (j *Judge) syncDifferences(s *syncSeen) differences {
	var d differences
	have := &s.have
	switch {
	case s.there && s.stray:
		d = append(d, "it stands in two partitions")
	case s.stray && s.known:
		d = append(d, "it stands without the WABA, which is known")
	case s.stray:
		have = &s.strayHave
	}
	if s.want.state != "" {
		d.text("state", have.State, s.want.state)
	}
	if s.want.window != 0 {
		d.number("window", int64(have.Window), int64(s.want.window))
	}
	j.askedDifferences(&d, s)
	if !s.begun {
		return d
	}
	d.errors(have, s)
	if s.want.sure && s.want.window != 0 {
		d.number("messages", have.Messages, s.want.messages)
		d.number("chunks", have.Chunks, s.want.chunks)
	}
	return d
}
