package history

import (
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Error is one error of a chunk, or of a webhook about the history.
type Error struct {
	Code  int64 // 0: none
	Title string
}

// titleBytesMax bounds the titles of errors, because every change of the sync contains them. Meta's have some 50 bytes.
const titleBytesMax = 256

// chunkPlace is the place of a chunk in the order.
type chunkPlace struct {
	Phase int32 `json:"p"`
	Order int32 `json:"o"`
}

// unheard are failed chunks whose errors are not listed. A sync is complete only if they came whole later.
type unheard struct {
	Places []chunkPlace `json:"p,omitempty"`
	Forgot int64        `json:"f,omitempty"` // those beyond unheardMax
}

// unheardMax bounds the places that a window remembers. With more failures it never counts as complete.
const unheardMax = 256

// noteErrors stores the first errors of the window, and counts the others.
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

// shortened returns a copy of a title, cut if it is too long.
func shortened(title string) string {
	if len(title) > titleBytesMax {
		title = title[:titleBytesMax]
		for len(title) > 0 && !utf8.ValidString(title) {
			title = title[:len(title)-1]
		}
	}
	return strings.Clone(title)
}

// failed records a chunk without content, so that its repetition is a duplicate. Its place stays missing, because it
// may still come whole.
func (w *window) failed(h held) {
	w.chunks++
	w.received(h.at)
	w.remember(h.identity())
	w.touch()
}

const anyPhase = -1

// anyFailed reports whether a failed chunk of a phase has not come whole since.
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

// heard records that a chunk came whole.
func (u *unheard) heard(at chunkPlace) {
	if i := slices.Index(u.Places, at); i >= 0 {
		u.Places = slices.Delete(u.Places, i, i+1)
	}
}

// came reports whether a chunk of a place is held or has left.
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
