package history

// action is a window's next action. Those after releases are waits.
type action uint8

const (
	idle             action = iota // nothing is held
	releases                       // the head of a phase, or the first chunk without order, leaves
	waitsForHole                   // a chunk of this phase is missing
	waitsForEnd                    // this phase may be unfinished
	waitsForAbsent                 // phases below this one have no chunk
	waitsForEvidence               // this phase may continue the numbers of the one before
)

// decision is a window's next action, its phase (-1: without order), and the end of a wait.
type decision struct {
	action action
	phase  int
	until  millis
}

// waits are the durations of a Config.
type waits struct{ gap, hold, quiet, ceiling, memory, silent, stalled, near millis }

// decide returns the window's next action. It changes nothing.
func (w *window) decide(c *waits) decision {
	if w.loose.len() > 0 {
		return decision{action: releases, phase: -1}
	}
	front := -1
	for i := range w.phases {
		p := &w.phases[i]
		if p.held.len() == 0 {
			continue
		}
		if w.ended || w.passed(i) {
			return decision{action: releases, phase: i}
		}
		if front < 0 {
			front = i
		}
	}
	if front < 0 {
		return decision{action: idle}
	}
	return w.front(front, c)
}

// passed reports whether the place of phase i's head has passed.
func (w *window) passed(i int) bool {
	p := &w.phases[i]
	return int64(p.number) < w.reach || p.started && int64(p.held.head().order) < p.next
}

// front decides for the first phase that holds something.
func (w *window) front(i int, c *waits) decision {
	p := &w.phases[i]
	leave := decision{action: releases, phase: i}
	hole := func() decision {
		return decision{action: waitsForHole, phase: i, until: p.held.since().plus(c.gap)}
	}
	reached := int64(p.held.head().order) == w.expected(i)
	before := w.before(i)
	if p.started || before >= 0 && w.numbering == numberingThrough {
		if reached {
			return leave
		}
		return hole()
	}
	if before >= 0 && !w.phases[before].full && !w.phases[before].over {
		until := max(w.phases[before].lastAt, w.waitingSince(i)).plus(c.hold)
		return decision{action: waitsForEnd, phase: before, until: until}
	}
	if !p.cleared && w.absentBelow(i) {
		return decision{action: waitsForAbsent, phase: i, until: p.firstAt.plus(c.hold)}
	}
	if reached {
		return leave
	}
	if w.seemsThrough(i) {
		until := max(w.phases[before].lastAt, p.held.head().at).plus(c.hold)
		return decision{action: waitsForEvidence, phase: i, until: until}
	}
	return hole()
}

// before returns the nearest phase below i that has chunks with an order, or -1.
func (w *window) before(i int) int {
	for i--; i >= 0 && !w.phases[i].ordered; i-- {
	}
	return i
}

// absentBelow reports whether phases between i and the one below it have no chunk.
func (w *window) absentBelow(i int) bool {
	if i == 0 {
		return w.phases[0].number > 0
	}
	return w.phases[i].number > w.phases[i-1].number+1
}

// waitingSince returns when the first chunk was received of the phases from i on that hold one.
func (w *window) waitingSince(i int) millis {
	since := never
	for ; i < len(w.phases); i++ {
		if p := &w.phases[i]; p.held.len() > 0 {
			since = min(since, p.firstAt)
		}
	}
	return since
}

// expected returns the next order of phase i, or its first one.
func (w *window) expected(i int) int64 {
	p := &w.phases[i]
	if p.started {
		return p.next
	}
	if w.numbering == numberingThrough {
		if b := w.before(i); b >= 0 {
			return w.phases[b].highest + 1
		}
	}
	return w.base()
}

// base returns the order of the first chunk of a phase: 0 if a chunk of any phase has it, otherwise 1.
func (w *window) base() int64 {
	for i := range w.phases {
		if p := &w.phases[i]; p.ordered && p.lowest == 0 {
			return 0
		}
	}
	return 1
}

// seemsThrough reports whether phase i could continue the numbers of the phase before.
func (w *window) seemsThrough(i int) bool {
	p := &w.phases[i]
	if w.numbering != numberingUnknown || p.started || p.lowest <= w.base() {
		return false
	}
	b := w.before(i)
	return b >= 0 && p.lowest == w.phases[b].highest+1
}

// endWait applies the end of a wait.
func (w *window) endWait(s decision) {
	w.touch()
	p := &w.phases[s.phase]
	switch s.action {
	case waitsForEnd:
		p.over = true
	case waitsForAbsent:
		p.cleared = true
	case waitsForEvidence:
		w.numbering = numberingThrough
	case waitsForHole:
		w.start(s.phase)
		head := int64(p.held.head().order)
		w.miss(p, gap{From: p.next, To: head - 1, Since: p.held.since()})
		p.next = head
	}
}

// complete returns the time from which the sync is complete, if no further chunk comes.
func (w *window) complete(c *waits) (millis, bool) {
	if w.ended || !w.orderKnown || len(w.phases) == 0 || w.held() > 0 {
		return 0, false
	}
	last := &w.phases[len(w.phases)-1]
	if last.number < 2 || !last.full || w.anyFailed(anyPhase) {
		return 0, false
	}
	for i := range w.phases {
		if w.phases[i].gapCount() > 0 || w.unfinished(i) {
			return 0, false
		}
	}
	if w.numbering != numberingThrough && len(w.phases) <= int(last.number) {
		return w.lastAt.plus(c.gap), true
	}
	return always, true
}

// unfinished reports whether phase i lacks chunks by its own progress. That proves something only if progress counts
// within each phase: a phase below the last one reached 100. Numbers that run through need no such proof.
func (w *window) unfinished(i int) bool {
	p := &w.phases[i]
	if w.numbering == numberingThrough || p.progress == 0 || p.progress >= 100 {
		return false
	}
	for i := range w.phases[:len(w.phases)-1] {
		if w.phases[i].progress >= 100 {
			return true
		}
	}
	return false
}

// deadline returns the end of the next wait in an open window.
func (w *window) deadline(c *waits) millis {
	if w.ended {
		return never
	}
	until := min(w.lastAt.plus(c.quiet), w.openedAt.plus(c.ceiling))
	if s := w.decide(c); s.action > releases {
		until = min(until, s.until)
	}
	if at, ok := w.complete(c); ok {
		until = min(until, at)
	}
	return until
}
