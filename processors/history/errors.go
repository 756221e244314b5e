package history

import (
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

// noteErrors keeps the errors of a chunk: the first ones of the window, and how many more there were.
func (w *window) noteErrors(h *held, errors []Error) {
	for _, e := range errors {
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

// anyFailed says whether a chunk of a phase failed and has not come whole since.
func (w *window) anyFailed(phase int32) bool {
	for i := range w.errors {
		e := &w.errors[i]
		if e.Phase != nil && e.ChunkOrder != nil && (phase == anyPhase || phase == *e.Phase) && !w.came(*e.Phase, int64(*e.ChunkOrder)) {
			return true
		}
	}
	return false
}

// came says whether a chunk of a place is held or left.
func (w *window) came(number int32, order int64) bool {
	for i := range w.phases {
		if p := &w.phases[i]; p.number == number {
			return p.ordered && p.occupied(order)
		}
	}
	return false
}

func (w *window) errorBytes() int {
	n := cap(w.errors) * int(unsafe.Sizeof(schemas.SyncError{}))
	for i := range w.errors {
		n += len(w.errors[i].Title) + 8
	}
	return n
}
