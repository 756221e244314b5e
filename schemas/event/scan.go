package event

// depthMax bounds the nesting of a value, as encoding/json does.
const depthMax = 10_000

// scanner reads one JSON text. The first fault stops it: from then on every method returns at once, and err is that fault.
// The text is valid UTF-8.
type scanner struct {
	b    []byte
	i    int
	name []byte // of the property that is being read
	err  *Error

	first bool // no member of the innermost object or array was read yet
}

func (s *scanner) fail(why string) {
	if s.err == nil {
		s.err = &Error{Property: string(s.name), Offset: s.i, Why: why}
	}
}

// space skips white space. It returns the next byte, 0 at the end: no JSON text has a 0 outside of a fault.
func (s *scanner) space() byte {
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.i++
	}
	return 0
}

// enter opens an object or an array.
func (s *scanner) enter(open byte) {
	if s.opens(open) {
		s.i++
		s.first = true
	}
}

// opens reports whether an object or an array begins here, and fails where none does.
func (s *scanner) opens(open byte) bool {
	switch {
	case s.err != nil:
		return false
	case s.space() == open:
		return true
	case open == '{':
		s.fail("is no object")
	default:
		s.fail("is no array")
	}
	return false
}

// more reports whether another member follows, and moves to it. Otherwise the object or array ended.
func (s *scanner) more(end byte) bool {
	if s.err != nil {
		return false
	}
	c := s.space()
	if c == end {
		s.i++
		s.first = false
		return false
	}
	if !s.first {
		if c != ',' {
			s.fail("is not followed by a comma or an end")
			return false
		}
		s.i++
		s.space()
	}
	s.first = false
	return true
}

// key reports whether another property follows; then name is its name, and the scanner stands before its value.
func (s *scanner) key() bool {
	if !s.more('}') {
		return false
	}
	s.name = s.text()
	if s.err == nil && s.space() != ':' {
		s.fail("has no colon")
	}
	if s.err != nil {
		return false
	}
	s.i++
	return true
}

// once notes that a property was read, which may stand once.
func (s *scanner) once(seen *uint32, property uint32) {
	if *seen&property != 0 {
		s.fail("stands twice")
	}
	*seen |= property
}

// raw is an object or an array, verbatim.
func (s *scanner) raw(open byte) []byte {
	if !s.opens(open) {
		return nil
	}
	return s.skip()
}

// skip goes behind a value and returns it. The name of the property stays.
func (s *scanner) skip() []byte {
	if s.err != nil {
		return nil
	}
	s.space()
	start := s.i
	s.value(2)
	if s.err != nil {
		return nil
	}
	return s.b[start:s.i:s.i]
}

func (s *scanner) value(depth int) {
	switch c := s.space(); c {
	case '"':
		s.skipString()
	case '{', '[':
		if depth > depthMax {
			s.fail("is nested too deeply")
			return
		}
		s.i++
		s.members(c+2, depth) // ASCII has the closing bracket two behind the opening one
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		if !s.number() {
			s.fail("is no value")
		}
	}
}

func (s *scanner) members(end byte, depth int) {
	if s.space() == end {
		s.i++
		return
	}
	for s.err == nil {
		if end == '}' {
			if s.space() != '"' {
				s.fail("has a member without a name")
				return
			}
			if s.skipString(); s.err != nil {
				return
			}
			if s.space() != ':' {
				s.fail("has a member without a colon")
				return
			}
			s.i++
		}
		s.value(depth + 1)
		if s.err != nil {
			return
		}
		switch s.space() {
		case ',':
			s.i++
		case end:
			s.i++
			return
		default:
			s.fail("has a member without a comma or an end behind it")
		}
	}
}

func (s *scanner) skipString() {
	for i := s.i + 1; ; {
		i = plainEnd(s.b, i)
		switch {
		case i == len(s.b):
			s.fail("is cut off")
			return
		case s.b[i] == '"':
			s.i = i + 1
			return
		case s.b[i] == '\\':
			_, n := unescape(s.b[i:])
			if n == 0 {
				s.fail("has an escape that is none")
				return
			}
			i += n
		default:
			s.fail("has a control character")
			return
		}
	}
}

// end fails where anything follows.
func (s *scanner) end() {
	if s.err == nil {
		if s.name = nil; s.space() != 0 || s.i < len(s.b) {
			s.fail("is followed by something else")
		}
	}
}
