package history

import (
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Identity names a number in its syncs.
type Identity struct{ WABAID, PhoneNumberID, DisplayPhoneNumber string }

// windowsMax bounds the windows that a number remembers.
const windowsMax = 16

// Number holds the syncs of one phone_number_id. It is not safe for concurrent use.
type Number struct {
	id    Identity
	waits waits
	held  int // limit of held chunks in a window

	count   int32     // windows so far
	windows []*window // remembered, ascending; all but the last have ended

	// fence separates the last window, which has ended, from a new one: chunks received from fence on begin a new
	// window.
	fence  millis
	fenced fenceKind

	missed int64 // gaps of forgotten windows, until TakeMissed

	farewell []schemas.Sync // of windows that were forgotten before TakeSync gave their end, because much time passed at once

	pending   []Boundary // known, but without effect yet; by ReceivedAt
	seq       int64      // see Boundary.Seq
	stale     bool       // the record lacks events of the owner
	unwritten []int64    // see Unwritten
	waiting   []int64    // of a restored record: the owner's events that were pending
	restored  int64      // of a restored record: its seq

	next     pinned // it is in the record of the number while parts of it have left
	changed  bool   // the record of the number on `state` is old
	recorded bool   // the number has a record on `state`
	retold   bool   // see Retold
	journal  journal
	staging  *staging              // between Restore and Restored
	requests *requests             // nil: the desk requested nothing
	missing  int                   // records that were missing at that time
	counted  func(time.Time) int32 // see NumberWindows; nil: windows are counted up from 1
}

// fenceKind is the cause that separates two windows. A later kind is stronger.
type fenceKind uint8

const (
	fenceNone    fenceKind = iota
	fenceDecline           // a decline: it may be delivered again, and so may its chunks
	fenceOpens             // an account event that begins an onboarding, possibly a late one of the window that ended
	fenceCloses            // an account event that ends an onboarding: all later chunks belong to another one, even with the same bytes
)

// pinned is the departure that Next returned. Next returns the same one until it is answered.
type pinned struct {
	set   bool
	d     Departure
	w     *window
	phase int32 // its number; -1: without order
	h     held
}

// NewNumber returns a number without syncs. cfg has been validated.
func NewNumber(cfg *Config, id Identity) *Number {
	return &Number{
		id: id, held: cfg.HeldChunksMax,
		waits: waits{
			gap: span(cfg.GapTimeout), hold: span(cfg.PhaseHold), quiet: span(cfg.QuietTime),
			ceiling: span(cfg.Ceiling), memory: span(cfg.ChunkMemory),
			silent: span(cfg.SilentAfter), stalled: span(cfg.StalledAfter), near: span(cfg.DeadlineNear),
		},
	}
}

// Waits reports whether a chunk with a phase and an order is held. It may miss a chunk whose place is occupied by
// another.
func (n *Number) Waits(ref Ref, number, order int32) bool {
	for _, w := range n.windows {
		i, ok := slices.BinarySearchFunc(w.phases, number, func(p phase, n int32) int { return int(p.number) - int(n) })
		if ok && w.phases[i].held.has(order, ref) {
			return true
		}
	}
	return false
}

// Name sets the identity in later syncs. The display phone number may become known after the first chunk.
func (n *Number) Name(id Identity) { n.id = id }

func (n *Number) last() *window {
	if len(n.windows) == 0 {
		return nil
	}
	return n.windows[len(n.windows)-1]
}

// Chunk accepts a chunk, or reports that it is a duplicate.
func (n *Number) Chunk(_ time.Time, c Chunk) Verdict {
	h := hold(&c)
	n.passBoundaries(h.at)
	w := n.windowOf(&h, c.Failed)
	if w.has(h.identity()) && !c.Again {
		w.duplicate++
		w.touch()
		return Duplicate
	}
	if !c.Again && !c.Failed && w == n.last() && n.fenced == fenceNone && (w.ended || n.overdue(w, h.at)) && w.begins(&h) {
		if !w.ended {
			n.end(w, h.at, schemas.SyncDone, schemas.SyncEndRestarted)
		}
		w = n.open(h.at, h.at)
	}
	h.seq = w.chunks
	w.noteErrors(&h, &c)
	if c.Failed {
		w.failed(h)
		n.journal.put(chunkKey(w.number, h.seq), chunkRecord(recordLeft, &h))
		return Accepted
	}
	w.accept(h)
	n.journal.put(chunkKey(w.number, h.seq), chunkRecord(recordHeld, &h))
	return Accepted
}

// NumberWindows sets a function that numbers the windows: of returns the number of the window that a chunk received at
// a time belongs to, or 0 if it does not know. A window never gets a lower number than the count of windows.
func (n *Number) NumberWindows(of func(time.Time) int32) { n.counted = of }

// WindowAt returns the number of the window that a chunk received at a time belongs to; 0: not remembered.
func (n *Number) WindowAt(t time.Time) int32 {
	for i := len(n.windows) - 1; i >= 0; i-- {
		if w := n.windows[i]; w.from <= at(t) && (w.from != always || w.openedAt <= at(t)) {
			return w.number
		}
	}
	return 0
}

// windowOf returns the window of a chunk by its time of receipt, and opens one if necessary. A chunk that the last
// window has does not begin another one, unless an account event ended the onboarding. After a decline, a failed chunk
// does not begin one either.
func (n *Number) windowOf(h *held, failed bool) *window {
	switch {
	case len(n.windows) == 0:
		return n.open(always, h.at)
	case n.fenced != fenceNone && h.at >= n.fence:
		w := n.last()
		if failed && n.fenced == fenceDecline || n.fenced < fenceCloses && w.has(h.identity()) {
			return w
		}
		return n.open(n.fence, h.at)
	}
	for i := len(n.windows) - 1; i > 0; i-- {
		if w := n.windows[i]; w.from <= h.at {
			return w
		}
	}
	return n.windows[0]
}

func (n *Number) open(from, openedAt millis) *window {
	n.count++
	if n.counted != nil {
		n.count = max(n.count, n.counted(openedAt.time()))
	}
	n.fenced, n.changed = fenceNone, true
	w := newWindow(n.count, from, openedAt)
	n.windows = append(n.windows, w)
	if old := n.windows[0]; len(n.windows) > windowsMax && old.closed && old.held() == 0 {
		n.forgetOldest()
	}
	n.answer(w)
	return w
}

// Next returns the chunk that has to leave now. It returns the same one until Left or Missing; after Partly it returns
// the rest of it. While a window holds more chunks than HeldChunksMax, its waits end one after another.
func (n *Number) Next(time.Time) (Departure, bool) {
	if n.next.set {
		return n.next.d, true
	}
	for _, w := range n.windows {
		s := w.decide(&n.waits)
		for s.action > releases && w.held() > n.held {
			w.endWait(s)
			s = w.decide(&n.waits)
		}
		if s.action != releases {
			continue
		}
		p := pinned{set: true, w: w, phase: -1}
		late := w.closed
		if s.phase < 0 {
			p.h = w.loose.live()[0]
		} else {
			p.h, p.phase = *w.phases[s.phase].held.head(), w.phases[s.phase].number
			late = late || w.passed(s.phase)
		}
		n.pin(p, late, 0)
		return n.next.d, true
	}
	return Departure{}, false
}

func (n *Number) pin(p pinned, late bool, from int) {
	p.d = Departure{
		Ref: p.h.ref(), Window: p.w.number, Messages: int(p.h.messages), From: from,
		Position: p.h.position(p.w.number, late), Late: late, Known: p.w.known,
	}
	n.next = p
}

// Is reports whether bytes with a digest are those of the departure that Next returned. A log that was cut may have
// other bytes at its place.
func (n *Number) Is(d Departure, digest schemas.Hash) bool {
	p := &n.next
	if !p.is(d) {
		return false
	}
	hi, lo := p.h.identify(digest)
	return hi == p.h.identHi && lo == p.h.identLo
}

// Partly records that a part of a departure was emitted: its messages from d.From until upTo. messages of them left
// now, and duplicates had left before. page is as for Left. No other chunk leaves before the rest.
func (n *Number) Partly(_ time.Time, d Departure, upTo, messages, duplicates int, page []byte) {
	p := &n.next
	if !p.is(d) || upTo <= p.d.From {
		panic(fmt.Sprintf("history: messages %d to %d of %v, which Next did not give", d.From, upTo, d.Ref))
	}
	goesOn := p.d.From > 0
	p.d.From = upTo
	p.w.parted(n, messages, duplicates, page, goesOn)
	p.w.changed, n.changed = true, true
}

// parted counts the messages of a chunk that left, and writes the new ones to a page. For a later part of a chunk it
// extends the page of the previous part, if that is not written yet. So the state is that of a chunk that left at once.
func (w *window) parted(n *Number, messages, duplicates int, page []byte, goesOn bool) {
	w.messages += int64(messages)
	w.duplicates += int64(duplicates)
	if len(page) == 0 || w.known == nil {
		return
	}
	if goesOn && w.pages > 0 && n.journal.extend(pageKey(w.number, w.pages-1), page) {
		return
	}
	n.journal.put(pageKey(w.number, w.pages), pageRecord(page))
	w.pages++
}

func (p *pinned) is(d Departure) bool { return p.set && p.d.Ref == d.Ref && p.d.Window == d.Window }

// Left records that a departure, or the rest of it, was emitted: messages left now, and duplicates had left before.
// page has the entries (dedup.AppendEntry) of the messages that were new or raised in d.Known; Left copies it.
func (n *Number) Left(_ time.Time, d Departure, messages, duplicates int, page []byte) {
	goesOn := n.next.d.From > 0
	w, h := n.depart("Left", d, false)
	w.parted(n, messages, duplicates, page, goesOn)
	n.journal.put(chunkKey(w.number, h.seq), chunkRecord(recordLeft, &h))
	n.settle(w, always)
}

// Missing records that the reference of a departure can no longer be read. The sync reports a lost gap and continues.
// The chunk is not a duplicate when it is delivered again.
func (n *Number) Missing(_ time.Time, d Departure) {
	w, h := n.depart("Missing", d, true)
	n.journal.put(chunkKey(w.number, h.seq), chunkRecord(recordLost, &h))
	n.settle(w, always)
}

func (n *Number) depart(what string, d Departure, lost bool) (*window, held) {
	p := n.next
	if !p.is(d) {
		panic(fmt.Sprintf("history: %s for %v of window %d, which Next did not give", what, d.Ref, d.Window))
	}
	n.next = pinned{}
	n.changed = n.changed || p.d.From > 0
	i := -1
	if p.phase >= 0 {
		i = p.w.phase(p.phase)
	}
	p.w.depart(i, p.h, p.d.Late, lost)
	return p.w, p.h
}

// Tick lets time pass: it ends waits and windows, and forgets old ones.
func (n *Number) Tick(now time.Time) {
	t := at(now)
	n.passBoundaries(t)
	for _, w := range n.windows {
		n.lapse(w, t)
	}
	for _, w := range n.windows {
		if w.held() == 0 && n.releasedAt(w) <= t {
			n.release(w)
		}
	}
	for len(n.windows) > 0 && n.expiry(n.windows[0]) <= t {
		n.forgetOldest()
	}
	n.passRequests(t)
}

// Deadline returns the next time at which Tick can change something; zero: never. It may have passed.
func (n *Number) Deadline() time.Time {
	until := never
	if len(n.pending) > 0 {
		until = at(n.pending[0].ReceivedAt)
	}
	for _, w := range n.windows {
		until = min(until, w.deadline(&n.waits), n.releasedAt(w))
	}
	if len(n.windows) > 0 {
		until = min(until, n.expiry(n.windows[0]))
	}
	if r := n.requests; r != nil {
		until = min(until, n.nextWait(r), n.requestExpiry(r))
	}
	if until == never {
		return time.Time{}
	}
	return until.time()
}

// MemoryBytes returns the memory of the number, without the records that TakeState will return.
func (n *Number) MemoryBytes() int {
	b := int(unsafe.Sizeof(*n)) + cap(n.windows)*int(unsafe.Sizeof(n.windows[0])) +
		cap(n.pending)*int(unsafe.Sizeof(Boundary{}))
	for _, w := range n.windows {
		b += w.bytes()
	}
	return b + n.requests.bytes()
}
