package world

// planLive deals the live items out among the businesses.
func (w *World) planLive(plans []*planner) {
	d := roll(w.cfg.Seed, atPlan, 1<<40)
	var main, late = map[int][]int{}, map[int][]int{}
	for left := w.cfg.Live; left > 0; {
		n := &w.numbers[d.n(len(w.numbers))]
		index := int32(n.live)
		n.live++
		standby := d.chance(w.cfg.Standby) && !n.ycloud
		put := func(to map[int][]int, l live, solo bool) {
			l.standby = standby && l.kind != liveHandover && l.kind != liveError
			b := w.add(body{changes: []change{{kind: changeLive, number: int32(n.index), live: l}}, solo: solo || l.odd > 0})
			to[n.business] = append(to[n.business], b)
			left--
		}
		next := func() int32 { n.live++; return int32(n.live - 1) }
		switch k := d.n(100); {
		case n.ycloud:
			w.putYCloud(func(l live) { put(main, l, false) }, index, k)
		case d.chance(w.cfg.Unsupported):
			put(main, live{kind: liveUnsupported, index: index}, true)
			if d.chance(0.8) {
				put(late, live{kind: liveReal, index: index}, true)
			}
		case d.chance(w.cfg.Groups):
			put(main, live{kind: [...]liveKind{liveGroup, liveGroupStatus}[d.n(2)], index: index}, false)
		case d.chance(w.cfg.Crowds):
			put(main, live{kind: liveCrowd, index: index}, false)
		case d.chance(w.cfg.Handovers):
			put(main, live{kind: liveHandover, index: index}, false)
		case d.chance(w.cfg.Odd):
			put(main, live{kind: [...]liveKind{liveCrowd, liveGroup, liveGroupStatus}[d.n(3)], index: index, odd: d.odd(1)}, true)
		case k < 40:
			// Which of the two is first is for the raw log to say: neither takes a way of its own.
			twin := d.chance(w.cfg.Twins)
			put(main, live{kind: liveMessage, index: index}, twin)
			if twin {
				put(main, live{kind: liveTwin, index: index}, true)
			}
		case k < 65:
			put(main, live{kind: liveEcho, index: index}, false)
			switch e := d.n(10); {
			case e == 0:
				put(main, live{kind: liveEditSame, index: index, about: index}, false)
				if d.chance(w.cfg.SameSecond * 5) {
					put(main, live{kind: liveEditSame, index: next(), about: index}, false)
				}
			case e == 1:
				put(main, live{kind: liveEdit, index: next(), about: index}, false)
			case e == 2:
				put(main, live{kind: liveRevoke, index: next(), about: index}, false)
			}
		case k < 97:
			for s := range int32(1 + d.n(3)) {
				put(main, live{kind: liveStatus, index: index, about: s}, false)
				if d.chance(w.cfg.SameSecond) {
					put(main, live{kind: liveStatusElse, index: index, about: s}, false)
				}
			}
		default:
			put(main, live{kind: liveError, index: index}, false)
		}
	}
	for b, p := range plans {
		p.main = p.strew(p.main, main[b])
		p.late = append(p.late, late[b]...)
	}
}

// planBroken deals the broken bodies out among the businesses.
func (w *World) planBroken(plans []*planner) {
	for i := range w.cfg.Broken {
		p := plans[i%len(plans)]
		n := w.firstNumber(i % len(plans))
		l := live{kind: liveMessage, index: int32(n.live)}
		n.live++
		b := w.add(body{changes: []change{{kind: changeLive, number: int32(n.index), live: l}}, broken: int8(i%len(breakages)) + 1, solo: true})
		p.main = p.strew(p.main, []int{b})
	}
}

// mergeable reports whether a body may take another one's changes or give its own away.
func (w *World) mergeable(i int) bool {
	b := &w.bodies[i]
	return b.broken == 0 && !b.solo && !b.bare && len(b.changes) == 1 && !w.numbers[b.changes[0].number].dialog && !w.numbers[b.changes[0].number].ycloud
}

// merge puts webhooks of one business, and of two, into one body: different fields do arrive together.
func (w *World) merge(plans []*planner) {
	d := roll(w.cfg.Seed, atPlan, 1<<41)
	for _, p := range plans {
		// History with echoes, messages and contacts of the same business.
		for _, b := range p.main {
			if !w.mergeable(b) || w.bodies[b].changes[0].kind != changeChunk || !d.chance(w.cfg.Mixed) {
				continue
			}
			for range 1 + d.n(2) {
				w.join(b, p, &d)
			}
			shuffle(&d, w.bodies[b].changes)
		}
	}
	if len(plans) < 2 {
		return
	}
	for k, p := range plans {
		for _, b := range p.main {
			if w.mergeable(b) && w.bodies[b].changes[0].kind == changeLive && d.chance(w.cfg.Several) {
				w.join(b, plans[(k+1+d.n(len(plans)-1))%len(plans)], &d)
			}
		}
	}
}

// movable reports whether a change may arrive in another business's webhook, out of p's hands: a chunk only
// when its number stays, and when its place does not hang on its arrival.
func (w *World) movable(c *change, p *planner) bool {
	switch c.kind {
	case changeLive, changeContacts:
		return c.odd == 0
	case changeChunk:
		return !p.returns && w.chunks[c.a].odd == 0 && w.chunks[c.a].order >= 0 && w.chunks[c.a].to-w.chunks[c.a].from < 1000
	}
	return false
}

// join moves a live webhook, contacts, or a chunk out of p's main step into body b.
func (w *World) join(b int, p *planner, d *dice) {
	if len(p.main) == 0 {
		return
	}
	for range 8 {
		k := d.n(len(p.main))
		other := p.main[k]
		if other == b || !w.mergeable(other) || !w.movable(&w.bodies[other].changes[0], p) {
			continue
		}
		w.bodies[b].changes = append(w.bodies[b].changes, w.bodies[other].changes[0])
		w.bodies[other].changes = nil
		p.main = append(p.main[:k:k], p.main[k+1:]...)
		return
	}
}
