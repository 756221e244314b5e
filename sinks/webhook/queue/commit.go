package queue

// Commit is positions that are to be committed.
type Commit struct {
	Positions map[Place]Position
	// Answered are the requests whose slots the commit frees.
	Answered int

	answered map[*track]int
}

// Commit takes the positions that changed since the last one; nil: none did. There is one commit at a time. The caller ends it with
// Committed or Uncommitted.
func (q *Queue) Commit() *Commit {
	c := &Commit{Positions: map[Place]Position{}, answered: map[*track]int{}}
	for place, t := range q.tracks {
		if !t.dirty {
			continue
		}
		t.dirty = false
		c.Positions[place] = t.position()
	}
	if len(c.Positions) == 0 {
		return nil
	}
	for _, t := range q.tracks {
		if t.answered > 0 {
			c.answered[t] = t.answered
			c.Answered += t.answered
		}
	}
	return c
}

// Urgent reports whether acknowledgements wait for a commit.
func (q *Queue) Urgent() bool {
	for _, t := range q.tracks {
		if t.answered > 0 {
			return true
		}
	}
	return false
}

// Committed frees the slots of a commit.
func (q *Queue) Committed(c *Commit) {
	for t, n := range c.answered {
		n = min(n, t.answered) // 0 after a disown
		t.answered -= n
		q.taken -= n
	}
}

// Uncommitted notes that a commit failed. Its positions are in the next one.
func (q *Queue) Uncommitted(c *Commit) {
	for place := range c.Positions {
		if t := q.tracks[place]; t != nil {
			t.dirty = true
		}
	}
}

// position is the current position.
func (t *track) position() Position {
	p := Position{Log: t.was.Log, End: max(t.read, t.was.End)}
	add := func(from, to int64) {
		if n := len(p.Open); n > 0 && p.Open[n-1].To == from {
			p.Open[n-1].To = to
			return
		}
		p.Open = append(p.Open, Range{from, to})
	}
	for _, it := range t.open {
		add(it.Offset, it.Offset+1)
	}
	for _, r := range t.was.Open { // of the part that was not read again yet
		if r.To > t.read {
			add(max(r.From, t.read), r.To)
		}
	}
	if p.Next = p.End; len(p.Open) > 0 {
		p.Next = p.Open[0].From
	}
	return p
}

// Positions yields all places: the first offset that is not acknowledged, where reading continues, and how many events are between.
func (q *Queue) Positions(yield func(p Place, next, read int64, held int)) {
	for place, t := range q.tracks {
		next := t.read
		if len(t.open) > 0 {
			next = t.open[0].Offset
		}
		yield(place, next, t.read, len(t.open))
	}
}
