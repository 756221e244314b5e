package split

import (
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// Scanner parses bodies. It keeps its memory from one body to the next. One goroutine at a time uses it.
type Scanner struct {
	limits Limits

	// The body that is being parsed.
	in    []byte
	depth int
	items int
	fatal fault
	// White space was found between tokens.
	spaced bool
	odd    fault // about the part that is being read
	// A message with errors was read.
	failed bool
	names  []name // of all objects that are open
	arena  []byte // decoded strings
	root   root

	cutting  cutting  // of the change that is being read
	handover handover // in it
	// The place of a value in it that is not an object, and its depth; 0: there is none.
	valueAt, valueDepth int

	// The parts, one slab for each kind. The nested slices of a part are taken when its array is complete, and are
	// not written afterwards. A slab that grows later leaves them behind with the right content, so nothing has to be
	// updated. Beyond its length a slab is zero.
	changes  []Change
	elements []HistoryElement
	threads  []Thread
	messages []Message
	contacts []ContactItem
	profiles []Profile
	rare     []Names // of the messages with rare ids
	places   []Place

	body Body
	peak [slabs]int // the maximum length of each slab since Rest, as far as it was emptied
}

// The slabs.
const (
	slabChanges = iota
	slabElements
	slabThreads
	slabMessages
	slabContacts
	slabProfiles
	slabRare
	slabNames
	slabArena
	slabs
)

// Slabs up to these sizes are kept, so that a rare giant does not stay in memory.
const (
	keepItems      = 32 << 10
	keepNames      = 64 << 10
	keepArenaBytes = 4 << 20
)

// NewScanner makes a scanner with these limits.
func NewScanner(lim Limits) *Scanner {
	return &Scanner{limits: lim.withDefaults()}
}

// Scan parses a body. The error is always an *Error. The Body, and all that it refers to, is valid until the next
// Scan, and while body is unchanged.
func (s *Scanner) Scan(body []byte) (*Body, error) {
	s.reset(body)
	if err := s.scan(); err != nil {
		return nil, err
	}
	s.body.bytes, s.body.items, s.body.Rest = len(body), s.items, len(s.body.Changes)
	s.noteSpace()
	return &s.body, nil
}

// noteSpace marks the changes whose bytes may have white space between tokens.
func (s *Scanner) noteSpace() {
	if s.spaced {
		for i := range s.body.Changes {
			s.body.Changes[i].spaced = true
		}
	}
}

func (s *Scanner) scan() error {
	if len(s.in) > s.limits.BodyBytesMax {
		return &Error{schemas.ReasonBodyTooLong, s.limits.BodyBytesMax, "the body is longer than the limit"}
	}
	i := space(s.in, len(byteOrderMark(s.in)))
	if i == len(s.in) {
		return &Error{schemas.ReasonBodyEmpty, i, "the body holds no value"}
	}
	start := i
	var end int
	if s.in[i] == '{' {
		end = s.scanRoot(i)
	} else {
		end = s.skip(i)
	}
	if end < 0 {
		return s.fatal.err()
	}
	if i = space(s.in, end); i < len(s.in) {
		return &Error{schemas.ReasonJSONTrailing, i, "something follows the value"}
	}
	if s.in[start] != '{' {
		return &Error{schemas.ReasonEnvelopeUnknown, start, "the body is not an object"}
	}
	s.root.raw = s.in[start:end:end]
	if f := s.assemble(); f.reason != "" {
		return f.err()
	}
	return nil
}

func (s *Scanner) reset(body []byte) {
	s.in, s.depth, s.items, s.spaced = body, 0, 0, false
	s.fatal, s.odd, s.body = fault{}, fault{}, Body{}
	s.root.reset()
	s.cutting, s.places = cutting{region: regionRoot}, s.places[:0]
	if s.handover.seen {
		s.handover = handover{}
	}
	s.noteLengths()
	s.changes, s.elements = emptied(s.changes), emptied(s.elements)
	s.threads, s.messages, s.contacts = emptied(s.threads), emptied(s.messages), emptied(s.contacts)
	s.profiles, s.rare = emptied(s.profiles), emptied(s.rare)
	if s.names = s.names[:0]; cap(s.names) > keepNames {
		s.names = nil
	}
	if s.arena = s.arena[:0]; cap(s.arena) > keepArenaBytes {
		s.arena = nil
	}
}

func (s *Scanner) noteLengths() {
	for i, n := range [slabs]int{len(s.changes), len(s.elements), len(s.threads), len(s.messages), len(s.contacts), len(s.profiles), len(s.rare), len(s.names), len(s.arena)} {
		s.peak[i] = max(s.peak[i], n)
	}
}

// Rest releases memory that was unused since the previous call. The last Body is no longer valid.
func (s *Scanner) Rest() {
	s.reset(nil)
	s.changes, s.elements, s.threads = shrunk(s.changes, s.peak[slabChanges]), shrunk(s.elements, s.peak[slabElements]), shrunk(s.threads, s.peak[slabThreads])
	s.messages, s.contacts, s.profiles = shrunk(s.messages, s.peak[slabMessages]), shrunk(s.contacts, s.peak[slabContacts]), shrunk(s.profiles, s.peak[slabProfiles])
	s.rare, s.names, s.arena = shrunk(s.rare, s.peak[slabRare]), shrunk(s.names, s.peak[slabNames]), shrunk(s.arena, s.peak[slabArena])
	s.peak = [slabs]int{}
}

// shrunk returns an empty slab, or none if it has far more room than needed.
func shrunk[T any](slab []T, needed int) []T {
	if cap(slab) > 2*needed+64 {
		return nil
	}
	return slab
}

// byteOrderMark is the mark that some senders write before UTF-8. RFC 8259, section 8.1, allows a reader to skip it.
func byteOrderMark(b []byte) []byte {
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		return b[:3]
	}
	return nil
}

// emptied returns the slab for the next body, without references into the last one.
func emptied[T any](slab []T) []T {
	if cap(slab) > keepItems {
		return nil
	}
	clear(slab)
	return slab[:0]
}

// A body may have one part for each itemBytesLeast bytes, and itemsFree more. Parts take a few hundred bytes in
// memory, and real ones have a hundred or more in the body.
const (
	itemsFree      = 4096
	itemBytesLeast = 16
)

// room counts one more part against the limit. Beyond the limit it fails at position i.
func room[T any](s *Scanner, slab *[]T, i int) (*T, bool) {
	if s.items++; s.items > s.limits.ItemsMax || s.items > itemsFree+i/itemBytesLeast && i > 0 {
		s.fail(schemas.ReasonTooManyItems, i, "more messages, threads, contacts and changes than the limit")
		return nil, false
	}
	n := len(*slab)
	if n == cap(*slab) {
		*slab = slices.Grow(*slab, max(n, 1)) // append grows long slabs by a quarter, and copies them often
	}
	*slab = (*slab)[:n+1]
	return &(*slab)[n], true
}

// since returns the part of a slab that an array filled.
func since[T any](slab []T, base int) []T { return slab[base:len(slab):len(slab)] }

// joined appends since to what other arrays of the kind filled before. A value can have one array under each name.
func joined[T any](slab *[]T, before []T, base int) []T {
	if len(before) == 0 {
		return since(*slab, base)
	}
	end := len(*slab)
	*slab = append(*slab, before...)
	*slab = append(*slab, (*slab)[base:end]...)
	return since(*slab, end)
}

// dropLast removes the last part of a slab.
func dropLast[T any](slab *[]T) {
	n := len(*slab) - 1
	var zero T
	(*slab)[n] = zero
	*slab = (*slab)[:n]
}
