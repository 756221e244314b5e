package history

import (
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Error is one error that a chunk, or a webhook about the history, tells of.
type Error struct {
	Code  int64 // 0 where it had none
	Title string
}

// titleBytesMax bounds the titles of errors, which are told with each change of the sync. Meta's have some 50 bytes.
const titleBytesMax = 256

// chunkPlace is where a chunk stands in the order.
type chunkPlace struct {
	Phase int32 `json:"p"`
	Order int32 `json:"o"`
}

// unheard are the chunks that failed and whose errors are not listed: whether they came whole since decides whether a sync is
// complete.
type unheard struct {
	Places []chunkPlace `json:"p,omitempty"`
	Forgot int64        `json:"f,omitempty"` // more than are remembered
}

// unheardMax bounds the places that a window remembers. With more failures than these it is never complete.
const unheardMax = 256

// noteErrors keeps the errors of a chunk: the first ones of the window, and how many more there were.
func (w *window) noteErrors(h *held, c *Chunk) {
	if room := schemas.SyncErrorsMax - len(w.errors); c.Failed && h.ordered() && len(c.Errors) > 0 && room <= 0 {
		w.unheard.note(chunkPlace{h.phase, h.order})
	}
	for _, e := range c.Errors {
		if len(w.errors) == schemas.SyncErrorsMax {
			w.errorsOmitted++
			continue
		}
		told := schemas.SyncError{Code: e.Code, Title: shortened(e.Title), At: h.at.time()}
		p := h.position(w.number, false)
		told.Phase, told.ChunkOrder = p.Phase, p.ChunkOrder
		w.errors = append(w.errors, told)
	}
}

// shortened is a copy of a title, cut where it is too long.
func shortened(title string) string {
	if len(title) > titleBytesMax {
		title = title[:titleBytesMax]
		for len(title) > 0 && !utf8.ValidString(title) {
			title = title[:len(title)-1]
		}
	}
	return strings.Clone(title)
}

// failed takes notice of a chunk of which nothing leaves, so that it is known when it is delivered again. Its place stays
// missing: it may still come whole.
func (w *window) failed(h held) {
	w.chunks++
	w.received(h.at)
	w.remember(h.identity())
	w.touch()
}

const anyPhase = -1

// anyFailed reports whether a chunk of a phase failed and has not come whole since.
func (w *window) anyFailed(phase int32) bool {
	for i := range w.errors {
		e := &w.errors[i]
		if e.Phase != nil && e.ChunkOrder != nil && (phase == anyPhase || phase == *e.Phase) && !w.came(*e.Phase, int64(*e.ChunkOrder)) {
			return true
		}
	}
	for _, at := range w.unheard.Places {
		if (phase == anyPhase || phase == at.Phase) && !w.came(at.Phase, int64(at.Order)) {
			return true
		}
	}
	return w.unheard.Forgot > 0
}

func (u *unheard) note(at chunkPlace) {
	switch {
	case slices.Contains(u.Places, at):
	case len(u.Places) == unheardMax:
		u.Forgot++
	default:
		u.Places = append(u.Places, at)
	}
}

// heard notes that a chunk came whole.
func (u *unheard) heard(at chunkPlace) {
	if i := slices.Index(u.Places, at); i >= 0 {
		u.Places = slices.Delete(u.Places, i, i+1)
	}
}

// came reports whether a chunk of a place is held or left.
func (w *window) came(number int32, order int64) bool {
	for i := range w.phases {
		if p := &w.phases[i]; p.number == number {
			return p.ordered && p.occupied(order)
		}
	}
	return false
}

func (w *window) errorBytes() int {
	n := cap(w.errors)*int(unsafe.Sizeof(schemas.SyncError{})) + cap(w.unheard.Places)*int(unsafe.Sizeof(chunkPlace{}))
	for i := range w.errors {
		n += len(w.errors[i].Title) + 8
	}
	return n
}
