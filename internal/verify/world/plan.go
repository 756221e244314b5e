package world

import "time"

// boundaryRest keeps the webhooks before and after an onboarding boundary apart by more than the
// millisecond in which their arrival is measured.
const boundaryRest = 20 * time.Millisecond

// returnRest puts the second onboarding into another second than the first: a chunk may say the same in
// both, and only entry.time, in seconds, makes the bodies two.
const returnRest = 1100 * time.Millisecond

// planner collects the steps of one business.
type planner struct {
	w *World
	d dice
	// returns: the business leaves and comes back. Nothing of its first sync may then arrive late.
	returns bool
	main    []int // the first onboarding, and all that is live
	late    []int // holes that are filled late, and what replaces an unsupported message
	after   []int // assets of media
	final   []int // assets that come as echoes, when everything else was played
}

func (w *World) plan() {
	plans := make([]*planner, 0, w.cfg.Businesses)
	for first := 0; first < len(w.numbers); {
		last := first
		for last < len(w.numbers) && w.numbers[last].business == w.numbers[first].business {
			last++
		}
		plans = append(plans, w.planBusiness(first, last))
		first = last
	}
	w.planLive(plans)
	w.planBroken(plans)
	w.merge(plans)
	var played, final []Script
	for b, p := range plans {
		played = append(played, w.script(b, p))
		if len(p.final) > 0 {
			final = append(final, Script{Steps: []Step{{Bodies: p.again(p.final)}}})
		}
	}
	w.stages = [][]Script{played, final}
}

func (w *World) add(b body) int {
	w.bodies = append(w.bodies, b)
	return len(w.bodies) - 1
}

// firstNumber is the first of a business's numbers, the one that comes back when the business does.
func (w *World) firstNumber(business int) *number { return &w.numbers[w.first[business]] }

// planBusiness plans the first onboarding of the numbers from first to last, last not included.
func (w *World) planBusiness(first, last int) *planner {
	p := &planner{w: w, d: roll(w.cfg.Seed, atPlan, uint64(first))}
	n := &w.numbers[first]
	p.returns = !n.declined && !n.ycloud && n.messages() > 0 && p.d.chance(w.cfg.Reonboard)
	for i := first; i < last; i++ {
		n := &w.numbers[i]
		if n.declined {
			c := change{kind: changeDecline, number: int32(i)}
			p.main = append(p.main, w.add(body{changes: []change{c}, bare: !n.dialog && p.d.chance(0.5)}))
		}
		first := len(w.chunks)
		chunks := w.planSync(n, 1, p.d.next())
		failures := p.failures(first)
		chunks, holes := p.holes(chunks)
		extra := failures
		for from := 0; from < len(w.ops[i]); {
			to := min(len(w.ops[i]), from+1+p.d.n(500))
			odd := int8(0)
			if !n.ycloud {
				odd = p.d.odd(w.cfg.Odd)
			}
			extra = append(extra, w.add(body{changes: []change{{kind: changeContacts, number: int32(i), a: int32(from), b: int32(to), odd: odd}}, solo: odd > 0}))
			from = to
		}
		for k := range w.cfg.Unknown {
			extra = append(extra, w.add(body{changes: []change{{kind: changeOther, number: int32(i), a: int32(k)}}}))
		}
		if !n.ycloud && p.d.chance(w.cfg.Odd*5) {
			// A change of which nothing can be used, beside a good one.
			l := live{kind: liveMessage, index: int32(n.live)}
			n.live++
			extra = append(extra, w.add(body{changes: []change{{kind: changeOdd, number: int32(i), a: int32(p.d.n(len(oddChanges)))}, {kind: changeLive, number: int32(i), live: l}}, solo: true}))
		}
		early, after := p.assets(n, 1, 0, n.messages())
		p.main = append(p.main, p.weave(chunks, append(extra, early...))...)
		p.late = append(p.late, holes...)
		p.after = append(p.after, after...)
	}
	return p
}

// holes takes out the chunks that come late.
func (p *planner) holes(chunks []int) (kept, late []int) {
	for _, b := range chunks {
		if p.d.chance(p.w.cfg.LateHoles) {
			late = append(late, b)
		} else {
			kept = append(kept, b)
		}
	}
	return kept, late
}

// assets plans the assets of a number's placeholders: a few early ones, the others after the sync.
func (p *planner) assets(n *number, window int32, from, to int) (early, after []int) {
	for _, f := range p.w.follows(n, window, from, to) {
		p.w.follow = append(p.w.follow, f)
		b := p.w.add(body{changes: []change{{kind: changeFollow, number: int32(n.index), a: int32(len(p.w.follow) - 1)}}})
		switch {
		case f.shape == shapeEchoed:
			p.final = append(p.final, b)
		case len(early) < earlyMax && p.d.chance(0.15):
			early = append(early, b)
		default:
			after = append(after, b)
		}
	}
	return early, after
}

// weave shuffles the chunks within their window and puts the others anywhere among them.
func (p *planner) weave(chunks, others []int) []int {
	if n := p.w.cfg.ShuffleWindow; n == 0 {
		shuffle(&p.d, chunks)
	} else {
		for i := 0; i < len(chunks); i += n {
			shuffle(&p.d, chunks[i:min(i+n, len(chunks))])
		}
	}
	return p.strew(chunks, others)
}

// strew puts others anywhere among bodies, whose order stays.
func (p *planner) strew(bodies, others []int) []int {
	shuffle(&p.d, others)
	out := make([]int, 0, len(bodies)+len(others))
	for len(bodies)+len(others) > 0 {
		if p.d.n(len(bodies)+len(others)) < len(bodies) {
			out, bodies = append(out, bodies[0]), bodies[1:]
		} else {
			out, others = append(out, others[0]), others[1:]
		}
	}
	return out
}

// again repeats some bodies, after they were there.
func (p *planner) again(bodies []int) []int {
	var repeated []int
	for _, b := range bodies {
		for p.d.chance(p.w.cfg.DuplicateRate) {
			repeated = append(repeated, b)
		}
	}
	// A repetition may come right behind its original, and even overtake it on the wire.
	return p.strew(bodies, repeated)
}

// script puts the steps of a business in order.
func (w *World) script(business int, p *planner) Script {
	n := w.firstNumber(business)
	undated := p.d.chance(w.cfg.Undated) && !n.ycloud
	told := func(event int32) change {
		c := change{kind: changeAccount, number: int32(n.index), a: event}
		if event != accountAdded && p.d.chance(w.cfg.Aliases) {
			c.b |= accountAsField
		}
		if p.d.chance(w.cfg.Aliases) {
			c.b |= accountLowerCase
		}
		if n.country != plain {
			c.b |= accountRespelt
		}
		return c
	}
	account := func(c change) Step {
		event := c.a
		b := w.add(body{changes: []change{c}, solo: true, undated: undated && event != accountAdded})
		return Step{Bodies: p.again([]int{b}), After: boundaryRest}
	}
	if w.cfg.Aliases > 0 && p.d.chance(0.5) {
		// PARTNER_ADDED comes again, during the sync that it began.
		again := told(accountAdded)
		again.b |= accountAgain
		p.main = p.strew(p.main, account(again).Bodies)
	}
	steps := []Step{account(told(accountAdded)), {Bodies: p.again(p.main), After: boundaryRest}}
	late := p.again(p.late)
	for _, b := range p.main {
		if p.d.chance(w.cfg.DuplicateRate / 4) {
			late = append(late, b)
		}
	}
	if len(late) > 0 {
		shuffle(&p.d, late)
		steps = append(steps, Step{Bodies: late, After: w.cfg.LateAfter})
	}
	if len(p.after) > 0 {
		steps = append(steps, Step{Bodies: p.again(p.after)})
	}
	if p.returns {
		removed, reconnected := told(accountRemoved+int32(p.d.n(2))), told(accountReconnected)
		gone := account(removed)
		gone.Whole, gone.After = true, w.cfg.LeaveAfter
		steps = append(steps, gone)
		if undated || p.d.chance(0.5) {
			back := account(reconnected)
			back.Whole = true
			steps = append(steps, back)
		}
		if undated {
			// In the same words as before: only the webhooks between distinguish them from repetitions.
			for _, again := range [...]change{removed, reconnected, removed} {
				once := account(again)
				once.Whole = true
				steps = append(steps, once)
			}
		}
		chunks, holes := p.holes(w.planSync(n, 2, p.d.next()))
		early, after := p.assets(n, 2, n.messages(), n.messages()+n.fresh)
		steps = append(steps,
			Step{Bodies: p.again(p.weave(chunks, early)), After: returnRest, Whole: true},
			Step{Bodies: p.again(append(holes, after...)), Whole: true})
		if undated {
			// Once more in the same words: of the webhooks between, only the history distinguishes it from a
			// repetition.
			last := account(removed)
			last.Whole = true
			steps = append(steps, last)
		}
	}
	return Script{Steps: steps}
}
