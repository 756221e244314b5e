package history

import (
	"encoding/json"
	"slices"
	"unsafe"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// numbering is the known relation of chunk_order in one phase to that of the next.
type numbering uint8

const (
	numberingUnknown  numbering = iota // treated as restarting
	numberingRestarts                  // proven
	numberingThrough                   // continues through all phases
)

// window is one onboarding window. It is open; then ended: it accepts no chunk in order, and its held chunks leave;
// then closed, which its sync reports; then released: only the identities of its chunks are remembered.
type window struct {
	number   int32
	from     millis // chunks received from here on belong to it
	openedAt millis // when its first chunk was received
	lastAt   millis // when its last chunk was received

	ended, closed bool
	closedAt      millis          // when it ended
	state, reason string          // of schemas.Sync, once ended
	failure       json.RawMessage // errors of a decline

	errors        []schemas.SyncError // of chunks, and of webhooks without one, in the order of arrival
	errorsOmitted int64
	unheard       unheard // failed chunks among those omitted

	orderKnown bool
	numbering  numbering
	reach      int64 // the highest phase of which a chunk left; -1: none
	progress   int32

	phases []phase // ascending
	loose  loose   // chunks without order

	chunks     uint32 // accepted: the next sequence number
	pages      uint32 // pages of known messages written
	pagesGone  uint32 // pages and chunks whose records are missing
	chunksGone uint32
	relearned  []byte // entries of the page that Relearn writes next
	left       int64
	late       int64
	lost       int64
	missed     int64 // gaps since TakeMissed; not part of the record on `state`
	duplicate  int64
	messages   int64
	duplicates int64 // messages

	known      *dedup.Set            // messages that left; nil when released
	identities dedup.Set             // chunks seen
	forgotten  map[schemas.Hash]bool // of identities: lost chunks, which may come again
	changed    bool                  // the record on `state` is old
	untold     bool                  // the record on `syncs` is old
	closedTold bool                  // the record on `syncs` says that it is closed
}

func newWindow(number int32, from, openedAt millis) *window {
	return &window{
		number: number, from: from, openedAt: openedAt, lastAt: openedAt,
		orderKnown: true, reach: -1, known: dedup.NewSet(), changed: true, untold: true,
	}
}

func (w *window) touch() { w.changed, w.untold = true, true }

func (w *window) has(id schemas.Hash) bool {
	_, seen := w.identities.Lookup(id)
	return seen && !w.forgotten[id]
}

func (w *window) remember(id schemas.Hash) {
	w.identities.Raise(id, 0)
	delete(w.forgotten, id)
}

func (w *window) forget(id schemas.Hash) {
	if w.forgotten == nil {
		w.forgotten = make(map[schemas.Hash]bool)
	}
	w.forgotten[id] = true
}

func (w *window) held() int {
	n := w.loose.len()
	for i := range w.phases {
		n += w.phases[i].held.len()
	}
	return n
}

// phase returns the index of a phase, and adds the phase if necessary.
func (w *window) phase(number int32) int {
	i, found := slices.BinarySearchFunc(w.phases, number, func(p phase, n int32) int { return int(p.number) - int(n) })
	if !found {
		w.phases = slices.Insert(w.phases, i, phase{number: number})
	}
	return i
}

// received records the receipt of a chunk. A rerouted chunk arrives after chunks that were received later.
func (w *window) received(t millis) {
	w.lastAt = max(w.lastAt, t)
	if t >= w.from {
		w.openedAt = min(w.openedAt, t)
	}
}

// accept adds a chunk. It is no duplicate, belongs to this window, and has the next sequence number.
func (w *window) accept(h held) {
	w.chunks++
	w.received(h.at)
	w.remember(h.identity())
	w.touch()
	i := -1
	if h.flags&hasPhase != 0 {
		i = w.phase(h.phase)
	}
	if h.flags&hasProgress != 0 {
		w.progress = max(w.progress, h.progress)
		if i >= 0 {
			w.phases[i].progress = max(w.phases[i].progress, h.progress)
		}
	}
	if !h.ordered() {
		w.orderKnown = false
		w.loose.push(h)
		return
	}
	w.detectRestart(i, &h)
	w.phases[i].note(&h)
	w.phases[i].held.insert(h)
	w.unheard.heard(chunkPlace{h.phase, h.order})
}

// detectRestart looks for evidence that chunk_order restarts in each phase.
func (w *window) detectRestart(i int, h *held) {
	if w.numbering == numberingRestarts {
		return
	}
	order := int64(h.order)
	restarts := false
	for j := range w.phases {
		p := &w.phases[j]
		if p.ordered && (j < i && p.highest >= order || j > i && p.lowest <= order) {
			restarts = true
		}
	}
	if !restarts {
		return
	}
	w.numbering = numberingRestarts
	for j := range w.phases {
		// Only a phase that continued another begins above 1. So the orders below are missing.
		if p := &w.phases[j]; p.started && p.begin > 1 {
			w.miss(p, gap{From: 1, To: p.begin - 1, Since: h.at})
		}
	}
}

// miss records a gap of a phase, and counts it.
func (w *window) miss(p *phase, g gap) {
	p.miss(g)
	w.missed++
}

// fill removes an order from the gaps. If numbering runs through, the phase of a missing order is unknown, and so all
// phases are searched.
func (w *window) fill(i int, order int64) bool {
	if w.phases[i].gaps.fill(order) {
		return true
	}
	if w.numbering == numberingThrough {
		for j := range w.phases {
			if w.phases[j].gaps.fill(order) {
				return true
			}
		}
	}
	return false
}

// depart removes a chunk from phase i (-1: chunks without order). It is lost if it could not be read.
func (w *window) depart(i int, h held, late, lost bool) {
	w.touch()
	if lost {
		w.lost++
		w.forget(h.identity())
	} else {
		w.left++
		if late {
			w.late++
		}
		if h.flags&hasPhase != 0 {
			w.phases[w.phase(h.phase)].left++
		}
	}
	if i < 0 {
		w.loose.remove(h.seq)
		return
	}
	p := &w.phases[i]
	order := int64(h.order)
	if w.ended && w.seemsThrough(i) {
		w.numbering = numberingThrough // there is no more evidence to come, and this reading has no gap
	}
	w.start(i)
	missing := w.fill(i, order)
	if order >= p.next {
		passed := int64(p.number) < w.reach
		if order > p.next && !(passed && w.numbering == numberingThrough) {
			w.miss(p, gap{From: p.next, To: order - 1, Since: p.held.since()})
		}
		p.next = order + 1
		missing = true
	}
	p.held.remove(h)
	if lost && missing {
		w.miss(p, gap{From: order, To: order, Since: h.at, Lost: true})
	}
	w.reach = max(w.reach, int64(p.number))
}

func (w *window) start(i int) {
	if p := &w.phases[i]; !p.started {
		p.begin = w.expected(i)
		p.next, p.started = p.begin, true
	}
}

// begins reports whether a chunk that the window does not have is the start of the same sync over again. Its slot is
// the window's first, and another chunk has occupied it.
func (w *window) begins(h *held) bool {
	if !h.ordered() {
		return false
	}
	for i := range w.phases {
		p := &w.phases[i]
		if !p.ordered {
			continue
		}
		first := int64(1)
		if p.lowest == 0 {
			first = 0
		}
		return p.number == h.phase && int64(h.order) == first && p.occupied(first)
	}
	return false
}

func (w *window) bytes() int {
	b := int(unsafe.Sizeof(*w)) + cap(w.phases)*int(unsafe.Sizeof(phase{})) + w.loose.bytes() +
		w.identities.Bytes() + len(w.forgotten)*2*int(unsafe.Sizeof(schemas.Hash{})) + cap(w.failure) + w.errorBytes()
	if w.known != nil {
		b += w.known.Bytes()
	}
	for i := range w.phases {
		b += w.phases[i].held.bytes() + cap(w.phases[i].gaps)*int(unsafe.Sizeof(gap{}))
	}
	return b
}
