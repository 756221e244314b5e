package split

import (
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// Error is the fault of a body or a part: reason, place and detail. It has no content of the body, so it can be
// logged and written to headers of dead letters.
func (e *Error) Error() string {
	return "split body: " + string(e.Reason) + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Detail
}

// fault is a pending Error. The scanner keeps the first one of each part of the body, so only a rejected body costs
// an allocation.
type fault struct {
	reason schemas.Reason // empty: no fault
	offset int
	detail string
}

func (f fault) error() Error { return Error{Reason: f.reason, Offset: f.offset, Detail: f.detail} }

// note keeps the first fault. Later ones are mostly its consequences.
func (f *fault) note(reason schemas.Reason, offset int, detail string) {
	if f.reason == "" {
		*f = fault{reason, offset, detail}
	}
}

func (f *fault) err() *Error {
	return &Error{Reason: f.reason, Offset: f.offset, Detail: f.detail}
}

// Details that several places use.
const (
	detailEnd   = "the body ends inside a value"
	detailTwice = "an object has the same name twice"
)

// fail ends the scan: the body is refused. It returns the position that says so to every caller. Inlined, it would make the
// stack frames of all of them large, which costs every body.
//
//go:noinline
func (s *Scanner) fail(reason schemas.Reason, offset int, detail string) int {
	s.fatal.note(reason, offset, detail)
	return -1
}
