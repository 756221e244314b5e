package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/known"
)

// staging is what Restore has read so far.
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

// stagedPages are loaded as they come: a page is written once, and goes only when its window is released.
type stagedPages struct {
	seen map[uint32]bool
	set  *known.Set
}

// Restore reads one record that TakeState gave; an empty value is a tombstone. The value is not kept.
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
		p = &stagedPages{seen: make(map[uint32]bool), set: known.NewSet()}
		s.pages[w] = p
	}
	if p.seen[i] {
		return nil
	}
	p.seen[i] = true
	return p.set.Load(value[1:])
}

// Restored ends the restoring. It fails when records are missing or contradict each other.
func (n *Number) Restored(time.Time) error {
	s := n.staging
	n.staging = nil
	if s == nil {
		return nil
	}
	for number, chunks := range s.chunks {
		if s.windows[number] == nil && len(chunks) > 0 {
			return fmt.Errorf("restore number %s: window %d has chunk records, but none of its own", n.id.PhoneNumberID, number)
		}
	}
	if s.number == nil {
		if len(s.windows) > 0 {
			return fmt.Errorf("restore number %s: record %q is missing", n.id.PhoneNumberID, numberKey)
		}
		return nil
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
	for i := range s.number.Pending {
		n.pending = append(n.pending, s.number.Pending[i].boundary())
	}
	for number, r := range s.windows {
		w := r.window(number)
		if err := s.fill(w, number); err != nil {
			return fmt.Errorf("restore window %d of number %s: %w", number, n.id.PhoneNumberID, err)
		}
		n.windows = append(n.windows, w)
	}
	slices.SortFunc(n.windows, func(a, b *window) int { return cmp.Compare(a.number, b.number) })
	for i, draining := 1, false; i < len(n.windows); i++ {
		// TakeSync tells nothing of a window while one before it still holds chunks.
		if draining = draining || !n.windows[i-1].closed; draining {
			n.windows[i].untold, n.windows[i].closedTold = true, false
		}
	}
	if last := n.last(); last != nil && last.number > n.count {
		return fmt.Errorf("restore number %s: has window %d of %d", n.id.PhoneNumberID, last.number, n.count)
	}
	if l := s.number.Leaving; l != nil && !n.resume(l) {
		return fmt.Errorf("restore number %s: chunk %d of window %d, of which a part has left, is not held", n.id.PhoneNumberID, l.Seq, l.Window)
	}
	return nil
}

// resume lets the rest of a chunk be what leaves next.
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

func (s *staging) fill(w *window, number int32) error {
	pages, count := s.pages[number], 0
	if !s.windows[number].Released {
		w.known = known.NewSet()
		if pages != nil {
			w.known, count = pages.set, len(pages.seen)
		}
		if count != int(w.pages) {
			return fmt.Errorf("%d of %d pages of known messages", count, w.pages)
		}
	}
	chunks := s.chunks[number]
	for seq := range w.chunks {
		c, ok := chunks[seq]
		if !ok {
			return fmt.Errorf("chunk record %d of %d is missing", seq, w.chunks)
		}
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
		i := w.phase(c.h.phase)
		if !w.phases[i].ordered {
			return fmt.Errorf("chunk record %d is of phase %d, which the window does not know", seq, c.h.phase)
		}
		w.phases[i].held.insert(c.h)
	}
	return nil
}
