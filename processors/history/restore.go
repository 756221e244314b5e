package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
)

// staging collects the records that Restore has read.
type staging struct {
	number  *numberRecord
	windows map[int32]*windowRecord
	chunks  map[int32]map[uint32]stagedChunk
	pages   map[int32]*stagedPages
}

type stagedChunk struct {
	kind byte
	h    held
}

// stagedPages are loaded as they come. A page is written once, and removed only when its window is released.
type stagedPages struct {
	seen map[uint32]bool
	set  *dedup.Set
}

// Restore reads one record of TakeState; an empty value is a tombstone. It does not keep the value.
func (n *Number) Restore(key string, value []byte) error {
	if n.staging == nil {
		n.staging = &staging{
			windows: make(map[int32]*windowRecord),
			chunks:  make(map[int32]map[uint32]stagedChunk),
			pages:   make(map[int32]*stagedPages),
		}
	}
	if err := n.staging.record(key, value); err != nil {
		return fmt.Errorf("restore state record %q of number %s: %w", key, n.id.PhoneNumberID, err)
	}
	return nil
}

func (s *staging) record(key string, value []byte) error {
	if key == numberKey {
		s.number = nil
		if len(value) == 0 {
			return nil
		}
		s.number = new(numberRecord)
		return decode(value, s.number, &s.number.Version)
	}
	kind, rest, _ := strings.Cut(key, "/")
	name, index, parts := strings.Cut(rest, "/")
	number, err := strconv.ParseInt(name, 10, 32)
	if err != nil || number < 1 || parts != (kind == "c" || kind == "k") {
		return fmt.Errorf("unknown kind of key")
	}
	w := int32(number)
	if kind == "w" {
		delete(s.windows, w)
		if len(value) == 0 {
			return nil
		}
		r := new(windowRecord)
		s.windows[w] = r
		return decode(value, r, &r.Version)
	}
	i64, err := strconv.ParseUint(index, 10, 32)
	if err != nil {
		return fmt.Errorf("unknown kind of key")
	}
	i := uint32(i64)
	switch kind {
	case "c":
		return s.chunk(w, i, value)
	case "k":
		return s.page(w, i, value)
	}
	return fmt.Errorf("unknown kind of key")
}

func decode(value []byte, into any, version *int) error {
	if err := json.Unmarshal(value, into); err != nil {
		return err
	}
	if *version != stateVersion {
		return fmt.Errorf("version %d: must be %d", *version, stateVersion)
	}
	return nil
}

func (s *staging) chunk(w int32, i uint32, value []byte) error {
	if len(value) == 0 {
		delete(s.chunks[w], i)
		return nil
	}
	kind, h, err := parseChunkRecord(value)
	if err != nil {
		return err
	}
	h.seq = i
	if s.chunks[w] == nil {
		s.chunks[w] = make(map[uint32]stagedChunk)
	}
	s.chunks[w][i] = stagedChunk{kind, h}
	return nil
}

func (s *staging) page(w int32, i uint32, value []byte) error {
	if len(value) == 0 {
		return nil
	}
	if value[0] != stateVersion || len(value) == 1 {
		return fmt.Errorf("%d bytes: not a page of version %d", len(value), stateVersion)
	}
	p := s.pages[w]
	if p == nil {
		p = &stagedPages{seen: make(map[uint32]bool), set: dedup.NewSet()}
		s.pages[w] = p
	}
	if p.seen[i] {
		return nil
	}
	p.seen[i] = true
	return p.set.Load(value[1:])
}

// Restored ends the restoration. It continues without records that are missing because the log of the state was
// damaged. Then a lost message may leave again, and a lost held chunk does not leave. Incomplete counts missing
// records, once.
func (n *Number) Restored(time.Time) error {
	s := n.staging
	n.staging = nil
	if s == nil {
		return nil
	}
	for number, chunks := range s.chunks {
		if s.windows[number] != nil {
			continue
		}
		for seq := range chunks { // no record says to which window they belong
			n.missing++
			n.journal.put(chunkKey(number, seq), nil)
		}
	}
	for number, pages := range s.pages {
		if s.windows[number] != nil {
			continue
		}
		for i := range pages.seen {
			n.missing++
			n.journal.put(pageKey(number, i), nil)
		}
	}
	if s.number == nil {
		if len(s.windows) == 0 {
			return nil
		}
		n.missing++
		n.changed = true
		s.number = &numberRecord{}
	}
	n.count, n.recorded = s.number.Windows, true
	if s.number.Fence != nil {
		n.fence, n.fenced = *s.number.Fence, fenceDecline
		switch {
		case s.number.FenceAccount:
			n.fenced = fenceCloses
		case s.number.FenceOpens:
			n.fenced = fenceOpens
		}
	}
	n.requests = s.number.Requests
	n.seq, n.restored, n.waiting = s.number.Seq, s.number.Seq, s.number.Waiting
	for i := range s.number.Pending {
		n.pending = append(n.pending, s.number.Pending[i].boundary())
	}
	for number, r := range s.windows {
		w := r.window(number)
		s.fill(n, w)
		n.windows = append(n.windows, w)
	}
	slices.SortFunc(n.windows, func(a, b *window) int { return cmp.Compare(a.number, b.number) })
	for i, draining := 1, false; i < len(n.windows); i++ {
		// TakeSync returns nothing of a window while an earlier one holds chunks.
		if draining = draining || !n.windows[i-1].closed; draining {
			n.windows[i].untold, n.windows[i].closedTold = true, false
		}
	}
	if last := n.last(); last != nil && last.number > n.count {
		if n.count > 0 { // its newest record is missing, and an older one is present
			n.missing++
		}
		n.count, n.changed = last.number, true
	}
	if l := s.number.Leaving; l != nil && !n.resume(l) {
		n.missing++
		n.changed = true
	}
	return nil
}

// Incomplete returns how many records were missing when the number was restored.
func (n *Number) Incomplete() int { return n.missing }

// resume makes the rest of a chunk the next departure.
func (n *Number) resume(l *leavingRecord) (held bool) {
	for _, w := range n.windows {
		if w.number != l.Window {
			continue
		}
		if h := w.loose.bySeq(l.Seq); h != nil {
			n.pin(pinned{set: true, w: w, phase: -1, h: *h}, l.Late, l.From)
			return true
		}
		for i := range w.phases {
			if h := w.phases[i].held.bySeq(l.Seq); h != nil {
				n.pin(pinned{set: true, w: w, phase: w.phases[i].number, h: *h}, l.Late, l.From)
				return true
			}
		}
	}
	return false
}

// fill gives a window its messages and chunks. It does not search again for missing parts that were counted before.
func (s *staging) fill(n *Number, w *window) {
	pages, count := s.pages[w.number], 0
	if s.windows[w.number].Released {
		if pages != nil { // their tombstones are missing
			for i := range pages.seen {
				n.journal.put(pageKey(w.number, i), nil)
			}
		}
	} else {
		w.known = dedup.NewSet()
		if pages != nil {
			w.known, count = pages.set, len(pages.seen)
			for i := range pages.seen {
				w.pages = max(w.pages, i+1)
			}
		}
		w.pagesGone = n.lack(w, int(w.pages)-count, w.pagesGone)
	}
	chunks, count := s.chunks[w.number], 0
	for seq := range chunks {
		w.chunks = max(w.chunks, seq+1)
	}
	for seq := range w.chunks {
		c, ok := chunks[seq]
		if !ok {
			continue
		}
		count++
		if c.kind != recordLost {
			w.remember(c.h.identity())
		}
		if c.kind != recordHeld {
			continue
		}
		if !c.h.ordered() {
			w.loose.push(c.h)
			continue
		}
		p := &w.phases[w.phase(c.h.phase)]
		if !p.ordered { // the window's newest record is missing
			p.note(&c.h)
		}
		p.held.insert(c.h)
	}
	w.chunksGone = n.lack(w, int(w.chunks)-count, w.chunksGone)
}

// lack counts the missing parts of a window, without those that were counted before. It returns their number.
func (n *Number) lack(w *window, gone int, before uint32) uint32 {
	if gone <= int(before) {
		return before
	}
	n.missing += gone - int(before)
	w.changed = true
	return uint32(gone)
}
