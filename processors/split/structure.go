package split

import "github.com/coexstream/coexstream/schemas"

// object is the walk over one object. It is used so:
//
//	var o object
//	i = s.enter(i)
//	for {
//		var more bool
//		if i, more = s.key(&o, i); !more {
//			return i // after the object, or -1
//		}
//		switch string(o.key) { … i = … }
//	}
type object struct {
	key   []byte // decoded
	names nameSet
}

// enter steps over the opening bracket at i. It is short enough to be inlined.
func (s *Scanner) enter(i int) int {
	if s.depth++; s.depth > s.limits.DepthMax {
		return s.tooDeep(i)
	}
	return i + 1
}

// tooDeep makes a part odd that is nested deeper than the limit. Beyond jsontext's own limit the body is rejected.
func (s *Scanner) tooDeep(i int) int {
	const detail = "nested deeper than the limit"
	if s.depth > depthCeiling {
		return s.fail(schemas.ReasonJSONTooDeep, i, detail)
	}
	s.soft(schemas.ReasonJSONTooDeep, i, detail)
	return i + 1
}

// key reads up to the value of the object's next member, or past the object's end. It accepts the -1 of the value
// before, so callers need not check it.
func (s *Scanner) key(o *object, i int) (int, bool) {
	if i < 0 {
		return i, false
	}
	b := s.in
	c := at(b, i)
	if c <= ' ' {
		i, c = s.behindSpace(i)
	}
	if c == '}' {
		if !o.names.empty() {
			s.closeNames(&o.names, i)
		}
		s.depth--
		return i + 1, false
	}
	if o.names.empty() {
		o.names.base = len(s.names)
	} else {
		if c != ',' {
			return s.unexpected(i, "neither a comma nor the end of the object after a member"), false
		}
		i++
		if c = at(b, i); c <= ' ' {
			i, c = s.behindSpace(i)
		}
	}
	if c != '"' {
		return s.unexpected(i, "a member without a name in quotes"), false
	}
	if i = s.name(o, i+1); i < 0 {
		return -1, false
	}
	if c = at(b, i); c <= ' ' {
		i, c = s.behindSpace(i)
	}
	if c != ':' {
		return s.unexpected(i, "a name without a colon"), false
	}
	i++
	if at(b, i) <= ' ' {
		if i, _ = s.behindSpace(i); i >= len(b) {
			return s.unexpected(i, ""), false
		}
	}
	return i, true
}

// item reads up to the array's next element, or past the array's end. Like key, it accepts the -1 of the element
// before.
func (s *Scanner) item(first bool, i int) (int, bool) {
	if i < 0 {
		return i, false
	}
	b := s.in
	c := at(b, i)
	if c <= ' ' {
		i, c = s.behindSpace(i)
	}
	if c == ']' {
		s.depth--
		return i + 1, false
	}
	if !first {
		if c != ',' {
			return s.unexpected(i, "neither a comma nor the end of the array after an element"), false
		}
		i++
		c = at(b, i)
	}
	if c <= ' ' {
		if i, _ = s.behindSpace(i); i >= len(b) {
			return s.unexpected(i, ""), false
		}
	}
	return i, true
}

// unexpected refuses the byte at i, or the end of the body.
//
//go:noinline
func (s *Scanner) unexpected(i int, detail string) int {
	if i >= len(s.in) {
		return s.fail(schemas.ReasonJSONInvalid, len(s.in), detailEnd)
	}
	return s.fail(schemas.ReasonJSONInvalid, i, detail)
}

// skip validates the value at i without keeping it.
func (s *Scanner) skip(i int) int {
	switch s.in[i] {
	case '"':
		i, _ = s.str(i)
		return i
	case '{':
		return s.skipObject(i)
	case '[':
		return s.skipArray(i)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number(i)
	}
	return s.fail(schemas.ReasonJSONInvalid, i, "a byte that begins no value")
}

func (s *Scanner) skipObject(i int) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		i = s.skip(i)
	}
}

func (s *Scanner) skipArray(i int) int {
	i = s.enter(i)
	for first := true; ; first = false {
		var more bool
		if i, more = s.item(first, i); !more {
			return i
		}
		i = s.skip(i)
	}
}
