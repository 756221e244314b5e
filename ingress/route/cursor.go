package route

import "bytes"

// cursor skips over JSON without decoding it. It is fast for well-formed bodies and gives up on others. It never
// leaves the slice, for any bytes.
type cursor struct {
	b []byte
	i int
}

// find skips to the value of the next member with a name, wherever it stands. The name includes its closing quote.
func (cur *cursor) find(name string) bool {
	word := []byte(name)
	for {
		n := bytes.Index(cur.b[cur.i:], word)
		if n < 0 {
			return false
		}
		start := cur.i + n
		cur.i = start + len(word)
		if opens(cur.b, start) && cur.space() == ':' {
			cur.i++
			return true
		}
	}
}

// space skips white space and returns the byte after it, 0 at the end.
func (cur *cursor) space() byte {
	for cur.i < len(cur.b) {
		switch c := cur.b[cur.i]; c {
		case ' ', '\t', '\n', '\r':
			cur.i++
		default:
			return c
		}
	}
	return 0
}

// enter skips an opening bracket.
func (cur *cursor) enter(open byte) bool {
	if cur.space() != open {
		return false
	}
	cur.i++
	return true
}

// key skips the next `"name":` of an object and the comma before it. It returns false at the end of the object, and
// for everything else that is not a member.
func (cur *cursor) key() (name []byte, ok bool) {
	c := cur.space()
	if c == ',' {
		cur.i++
		c = cur.space()
	}
	if c != '"' {
		return nil, false
	}
	name, ok = cur.str()
	if !ok || cur.space() != ':' {
		return nil, false
	}
	cur.i++
	return name, true
}

// str skips a string and returns the bytes between its quotes, with their escapes.
func (cur *cursor) str() ([]byte, bool) {
	if cur.i >= len(cur.b) || cur.b[cur.i] != '"' {
		return nil, false
	}
	start := cur.i + 1
	for i := start; i < len(cur.b); {
		n := bytes.IndexByte(cur.b[i:], '"')
		if n < 0 {
			break
		}
		i += n
		// The quote ends the string unless an odd number of backslashes is before it.
		j := i
		for j > start && cur.b[j-1] == '\\' {
			j--
		}
		i++
		if (i-1-j)%2 == 0 {
			cur.i = i
			return cur.b[start : i-1], true
		}
	}
	cur.i = len(cur.b)
	return nil, false
}

// value skips any value.
func (cur *cursor) value() bool {
	switch cur.space() {
	case 0:
		return false
	case '"':
		_, ok := cur.str()
		return ok
	case '{', '[':
		return cur.container()
	default:
		start := cur.i
		for cur.i < len(cur.b) && scalar[cur.b[cur.i]] {
			cur.i++
		}
		return cur.i > start
	}
}

// container skips an object or array by counting the brackets outside of strings.
func (cur *cursor) container() bool {
	depth := 0
	for cur.i < len(cur.b) {
		switch cur.b[cur.i] {
		case '"':
			if _, ok := cur.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				cur.i++
				return true
			}
		}
		cur.i++
	}
	return false
}

// id skips a value that can be an id and returns its text: a short string without escapes, or an integer. For any
// other value it returns nil, and the cursor cannot be used any more.
func (cur *cursor) id() []byte {
	switch cur.space() {
	case '{', '[':
		return nil // not skipped: nested ones would take quadratic time
	case '"':
		s, ok := cur.str()
		if !ok || len(s) == 0 || len(s) > IDBytesMax || bytes.IndexByte(s, '\\') >= 0 {
			return nil
		}
		return s
	}
	start := cur.i
	if !cur.value() || !digits(cur.b[start:cur.i]) {
		return nil
	}
	return cur.b[start:cur.i]
}

// IDBytesMax is the longest id that is accepted. Documented ids of WABAs and numbers have 15 to 17 digits.
const IDBytesMax = 64

func digits(b []byte) bool {
	if len(b) == 0 || len(b) > IDBytesMax {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// scalar contains the bytes of numbers, true, false and null.
var scalar = func() (t [256]bool) {
	for _, c := range []byte("+-.0123456789Eaeflnrstu") {
		t[c] = true
	}
	return t
}()
