package judge

import (
	"github.com/coexstream/coexstream/schemas"
)

// history judges one message of the past.
func (j *Judge) history(r *Record, e *event, n int32) {
	if e.Sync == nil {
		j.fault(r.Topic, WrongContent, "%s: no sync position", r)
		return
	}
	index := j.match(r, e, j.chainKey(kindChunk, n, e.Sync.Window, []byte(j.firstWAMID(e.WAMID))))
	if index < 0 {
		return
	}
	it := j.item(index)
	p := &j.parts[it.part]
	c := &j.chunks[p.chunk]
	num := &j.numbers[n]
	var d differences
	j.common(&d, e, it)
	d.sort(e, kindOfMessage(j.types.list[it.typ], it.rank), it.rank)
	d.flag("historical", e.Historical, true)
	d.text("status", e.Status, j.types.list[it.status])
	d.optionalNumber("sync.phase", e.Sync.Phase, c.phase)
	d.optionalNumber("sync.chunk_order", e.Sync.ChunkOrder, c.order)
	d.optionalNumber("sync.progress", e.Sync.Progress, c.progress)
	j.differs(r, &d, "message %s of %s", e.WAMID, num.PhoneNumberID)
	j.keyed(r, num.PhoneNumberID+"/"+e.Thread)

	right := !e.Sync.Late || j.rightlyLate(r, num, c)
	if !j.noteRead(num, c, e.Sync.Late) {
		j.fault(r.Topic, NotLate, "%s: message %s, window %d, %s, left in order: a chunk before it in the log was marked late, and no account event had ended the window", r, e.WAMID, c.window, c.name())
	}
	if e.Sync.Late {
		if !right {
			j.fault(r.Topic, NotLate, "%s: message %s, window %d, %s", r, e.WAMID, c.window, c.name())
			return
		}
		j.late++
		if index <= c.lastIndex {
			j.fault(r.Topic, OutOfOrder, "%s: message %s within its chunk, window %d, %s", r, e.WAMID, c.window, c.name())
		}
		c.lastIndex = max(c.lastIndex, index)
		return
	}
	if it.flex {
		return
	}
	last := &num.last
	switch {
	case c.window < last.window,
		c.window == last.window && c.place < last.place,
		c.window == last.window && c.place == last.place && index < last.index:
		j.fault(r.Topic, OutOfOrder, "%s: message %s, window %d, %s, stands behind a later one", r, e.WAMID, c.window, c.name())
		return
	}
	last.window, last.place, last.index = c.window, c.place, index
}

// match finds what the truth has for an event: the item of that rank, best the one with that text. It tells
// events that are one too many, and then returns -1.
func (j *Judge) match(r *Record, e *event, key schemas.Hash) int32 {
	rank := rankOfEvent(e)
	text := e.digest
	first, exact, retyped := int32(-1), int32(-1), int32(-1)
	j.chain(key, func(i int32, it *item) bool {
		switch {
		case it.rank != rank:
			if it.digest == text && it.state != dropped {
				retyped = i
			}
			return true
		case first < 0 || rank == schemas.RankEdit && j.item(first).seen:
			first = i
		}
		if it.digest == text && (exact < 0 || !j.toldBy(exact, e) && j.toldBy(i, e)) {
			exact = i
		}
		return true
	})
	if exact >= 0 && rank == schemas.RankEdit {
		first = exact
	}
	if first < 0 && retyped >= 0 {
		first, exact = retyped, retyped
	}
	switch {
	case first < 0:
		if !j.leaked(r, e) {
			j.fault(r.Topic, Unexpected, "%s: nobody sent %s to %s", r, e.WAMID, e.PhoneNumberID)
		}
		return -1
	case j.item(first).state == dropped:
		j.fault(r.Topic, Unexpected, "%s: %s of %s, at rank %d, came after a higher one", r, e.WAMID, e.PhoneNumberID, rank)
		return -1
	case j.item(first).seen:
		j.fault(r.Topic, Duplicated, "%s: %s of %s, at rank %d", r, e.WAMID, e.PhoneNumberID, rank)
		return -1
	}
	j.see(first, key)
	if exact >= 0 {
		return exact
	}
	return first
}

// toldBy reports whether the event says that it came with the item's chunk: two chunks may have a message in the
// same words.
func (j *Judge) toldBy(i int32, e *event) bool {
	p := &j.parts[j.item(i).part]
	if p.chunk < 0 || e.Sync == nil {
		return true
	}
	c := &j.chunks[p.chunk]
	return saysNumber(e.Sync.Phase, c.phase) && saysNumber(e.Sync.ChunkOrder, c.order)
}

func saysNumber(got *int32, want int32) bool {
	if got == nil {
		return want == none
	}
	return *got == want
}

// see marks all that is the same event as an item as seen.
func (j *Judge) see(first int32, key schemas.Hash) {
	j.chain(key, func(_ int32, it *item) bool {
		if same(it, j.item(first)) {
			it.seen = true
			if it.state == owed {
				j.missing--
			}
		}
		return true
	})
}

// same reports whether two items of a chain are one event: messages of one rank, statuses and edits of one text.
func same(a, b *item) bool {
	return a.rank == b.rank && (a.rank != rankStatus && a.rank != schemas.RankEdit || a.digest == b.digest)
}

// leaked reports whether the event is a message of the past that came as a live one.
func (j *Judge) leaked(r *Record, e *event) bool {
	if r.Topic != schemas.TopicEchoes && r.Topic != schemas.TopicMessages || e.WAMID == "" {
		return false
	}
	n := j.numberOf(e)
	found := false
	ask := func(key schemas.Hash) {
		j.chain(key, func(int32, *item) bool { found = true; return false })
	}
	wamid := []byte(j.firstWAMID(e.WAMID))
	ask(j.chainKey(kindMedia, n, 0, wamid))
	for _, w := range j.numbers[n].windows {
		ask(j.chainKey(kindChunk, n, w.id, wamid))
	}
	if found {
		j.fault(r.Topic, Leaked, "%s: %s of %s is a message of the past", r, e.WAMID, e.PhoneNumberID)
	}
	return found
}

// common compares what all kinds of items have.
func (j *Judge) common(d *differences, e *event, it *item) {
	person := &j.people.list[it.person]
	d.text("thread", e.Thread, threadOf(person))
	d.person(e, person)
	j.wamid(d, e, it)
	d.number("timestamp", e.Timestamp, it.timestamp)
	d.text("type", e.Type, j.types.list[it.typ])
	d.text("original_wamid", e.OriginalWAMID, j.words.list[it.original])
	d.token(e, e.Kind == "placeholder" && e.Type == "media_placeholder" && e.Sync != nil)
	d.direction(e.Direction, it.direction)
	d.digest("original", e.digest, it.digest)
}

// wamid compares which of the wamids of a message the event has.
func (j *Judge) wamid(d *differences, e *event, it *item) {
	if _, second := j.twins[e.WAMID]; second != it.twin {
		d.text("wamid", e.WAMID, j.ids.get(it.wamid))
	}
}

// token compares the token of the wamid, which only placeholders of media and media have.
func (d *differences) token(e *event, has bool) {
	var want string
	if w, ok := schemas.ParseWAMID([]byte(e.WAMID)); ok && has {
		want = string(w.Token())
	}
	d.text("wamid_token", e.WAMIDToken, want)
}

// media judges the asset of a placeholder: sender and time of the placeholder win.
func (j *Judge) media(r *Record, e *event, n int32) {
	index := j.match(r, e, j.chainKey(kindMedia, n, 0, []byte(j.firstWAMID(e.WAMID))))
	if index < 0 {
		return
	}
	it := j.item(index)
	var d differences
	person := &j.people.list[it.person]
	d.person(e, person)
	d.sort(e, "media", schemas.RankConcrete)
	j.wamid(&d, e, it)
	d.token(e, true)
	d.text("type", e.Type, j.types.list[it.typ])
	d.digest("original", e.digest, it.digest)
	d.flag("historical", e.Historical, true)
	if ph := j.placeholder(it); ph == nil {
		d.flag("joined", e.Joined, false)
		d.text("thread", e.Thread, threadOf(person))
		d.direction(e.Direction, it.direction)
	} else if ph.state == pending && e.Joined != nil && !*e.Joined {
		// Its placeholder is held behind a hole: it may have left alone.
	} else {
		d.flag("joined", e.Joined, true)
		d.text("thread", e.Thread, threadOf(&j.people.list[ph.person]))
		d.number("timestamp", e.Timestamp, ph.timestamp)
		d.direction(e.Direction, ph.direction)
	}
	j.differs(r, &d, "media %s of %s", e.WAMID, e.PhoneNumberID)
	j.keyed(r, e.PhoneNumberID+"/"+e.WAMID)
}
