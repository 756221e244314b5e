package history

import (
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Identity names a number in what is told about it.
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

	// fence is set when something parted the last window, which has ended, from what comes: chunks received from here
	// on begin a new one.
	fence  millis
	fenced fenceKind

	farewell []schemas.Sync // of windows that were forgotten before TakeSync gave their end: much time passed at once

	pending   []Boundary // told, but not passed yet; by ReceivedAt
	seq       int64      // see Boundary.Seq
	stale     bool       // the record lacks events of the owner
	unwritten []int64    // see Unwritten
	waiting   []int64    // of a restored record: the owner's events that were pending
	restored  int64      // of a restored record: its seq

	next     pinned // in the record of the number while parts of it have left
	changed  bool   // the record of the number on `state` is old
	recorded bool   // there is one
	journal  journal
	staging  *staging              // between Restore and Restored
	missing  int                   // records that were missing then
	counted  func(time.Time) int32 // see NumberWindows; nil: windows are counted up from 1
}

// fenceKind is what parted two windows. The later ones are the stronger ones.
type fenceKind uint8

const (
	fenceNone    fenceKind = iota
	fenceDecline           // a decline: it may be told again, and so may what came with it
	fenceOpens             // an account event that begins an onboarding: it may be a late one of the window that ended
	fenceCloses            // an account event that ends one: all that comes is of another, the same bytes, too
)

// pinned is the departure that Next gave, so that it gives the same one until it is answered.
type pinned struct {
	set   bool
	d     Departure
	w     *window
	phase int32 // its number; -1: without order
	h     held
}

// NewNumber makes a number without syncs. cfg has been validated.
func NewNumber(cfg *Config, id Identity) *Number {
	return &Number{
		id: id, held: cfg.HeldChunksMax,
		waits: waits{
			gap: span(cfg.GapTimeout), hold: span(cfg.PhaseHold), quiet: span(cfg.QuietTime),
			ceiling: span(cfg.Ceiling), memory: span(cfg.ChunkMemory),
		},
	}
}

// Waits reports whether a chunk with a phase and an order is held. It may say no of one that another occupies the place of.
func (n *Number) Waits(ref Ref, number, order int32) bool {
	for _, w := range n.windows {
		i, ok := slices.BinarySearchFunc(w.phases, number, func(p phase, n int32) int { return int(p.number) - int(n) })
		if ok && w.phases[i].held.has(order, ref) {
			return true
		}
	}
	return false
}

// Name sets what is told of the number's identity from now on: the display phone number may become known
// after the first chunk.
func (n *Number) Name(id Identity) { n.id = id }

func (n *Number) last() *window {
	if len(n.windows) == 0 {
		return nil
	}
	return n.windows[len(n.windows)-1]
}

// Chunk takes a chunk in.
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

// NumberWindows lets another count the windows: of is the number of the window of which a chunk received at a time
// is, 0 where it is not known. Windows are counted up nonetheless.
func (n *Number) NumberWindows(of func(time.Time) int32) { n.counted = of }

// WindowAt is the number of the window of which a chunk received at a time is; 0 where that is not remembered.
func (n *Number) WindowAt(t time.Time) int32 {
	for i := len(n.windows) - 1; i >= 0; i-- {
		if w := n.windows[i]; w.from <= at(t) && (w.from != always || w.openedAt <= at(t)) {
			return w.number
		}
	}
	return 0
}

// windowOf finds the window of a chunk by when it was received, and opens one where it has to. Unless an account event
// ended an onboarding, a chunk that the last window has does not begin another, and after a decline none that failed does.
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

// overdue reports whether a window should have ended by a time, had there been a tick.
func (n *Number) overdue(w *window, t millis) bool {
	return t >= min(w.lastAt.plus(n.waits.quiet), w.openedAt.plus(n.waits.ceiling))
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
	return w
}

func (n *Number) end(w *window, at millis, state, reason string) {
	w.end(at, state, reason)
	n.settle(w, always)
}

// settle ends a window that is complete, and closes it when it is empty. waited is the time until which
// waiting may end: always, but for a tick.
func (n *Number) settle(w *window, waited millis) {
	if t, ok := w.complete(&n.waits); ok && t <= waited {
		w.end(max(t, w.lastAt), schemas.SyncDone, schemas.SyncEndComplete)
	}
	w.closeIfEmpty()
}

// release gives the memory of a closed window's messages back. Until then a chunk that comes late, a 0 after
// the 1 for example, still knows which of its messages have left.
func (n *Number) release(w *window) {
	for ; w.pages > 0; w.pages-- {
		n.journal.put(pageKey(w.number, w.pages-1), nil)
	}
	w.known, w.pagesGone, w.changed = nil, 0, true
}

// releasedAt is when a window's memory is given back: as long after its end as a hole is waited for.
func (n *Number) releasedAt(w *window) millis {
	if !w.closed || w.known == nil {
		return never
	}
	return w.closedAt.plus(n.waits.gap)
}

// forgetOldest drops a window that is closed and holds nothing.
func (n *Number) forgetOldest() {
	w := n.windows[0]
	if w.untold && !w.closedTold {
		n.farewell = append(n.farewell, n.sync(w))
	}
	n.release(w)
	n.windows[0] = nil
	n.windows = n.windows[1:]
	n.journal.put(windowKey(w.number), nil)
	for i := range w.chunks {
		n.journal.put(chunkKey(w.number, i), nil)
	}
	if len(n.windows) == 0 {
		n.fenced = fenceNone
	}
	n.changed = true
}

// Next is the chunk that has to leave now. It gives the same answer until Left or Missing; Partly changes where it goes
// on. While a window holds more chunks than HeldChunksMax, its waits are over one after another.
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

// Is reports whether bytes with a digest are those of the departure that Next gave. A log that was cut may hold others at
// its place.
func (n *Number) Is(d Departure, digest schemas.Hash) bool {
	p := &n.next
	if !p.is(d) {
		return false
	}
	hi, lo := p.h.identify(digest)
	return hi == p.h.identHi && lo == p.h.identLo
}

// Partly says that a part of a departure was emitted: its messages from d.From until upTo, of which so many left now,
// and so many had left before. page is as for Left. No other chunk leaves before the rest.
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

// parted counts what left of a chunk, and keeps what is known since. Where the chunk goes on, the page of its part before
// becomes longer if it is not written yet: the state is that of a chunk that left at once.
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

// Left says that a departure was emitted, or the rest of it: so many messages left, so many had left before. page has the
// entries (dedup.AppendEntry) of those that were new or raised in d.Known; it is copied.
func (n *Number) Left(_ time.Time, d Departure, messages, duplicates int, page []byte) {
	goesOn := n.next.d.From > 0
	w, h := n.depart("Left", d, false)
	w.parted(n, messages, duplicates, page, goesOn)
	n.journal.put(chunkKey(w.number, h.seq), chunkRecord(recordLeft, &h))
	n.settle(w, always)
}

// Missing says that the reference of a departure can no longer be read. It is told as a lost gap, and the
// sync goes on. When the chunk is delivered again, it is not a duplicate.
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

// Tick lets time pass: waits end, windows end, memory expires.
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
}

// lapse ends what a window waited for until a time, and the window itself where its own time is over.
func (n *Number) lapse(w *window, t millis) {
	for !w.ended {
		s := w.decide(&n.waits)
		if s.action <= releases || s.until > t {
			break
		}
		w.endWait(s)
	}
	n.settle(w, t)
	ceiling, quiet := w.openedAt.plus(n.waits.ceiling), w.lastAt.plus(n.waits.quiet)
	switch {
	case w.ended:
	case t >= ceiling && ceiling <= quiet:
		n.end(w, ceiling, schemas.SyncDone, schemas.SyncEndCeiling)
	case t >= quiet:
		n.end(w, quiet, schemas.SyncDone, schemas.SyncEndQuiet)
	}
}

// expiry is when a window is forgotten.
func (n *Number) expiry(w *window) millis {
	if !w.closed || w.held() > 0 {
		return never
	}
	return w.closedAt.plus(n.waits.memory)
}

// Deadline is the next time at which Tick can change something; zero: never. It may have passed.
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
	if until == never {
		return time.Time{}
	}
	return until.time()
}

// MemoryBytes is what the number costs in memory, less what TakeState will give back.
func (n *Number) MemoryBytes() int {
	b := int(unsafe.Sizeof(*n)) + cap(n.windows)*int(unsafe.Sizeof(n.windows[0])) +
		cap(n.pending)*int(unsafe.Sizeof(Boundary{}))
	for _, w := range n.windows {
		b += w.bytes()
	}
	return b
}
