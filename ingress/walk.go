package ingress

import "bytes"

// walk is a cursor over JSON that is trusted to be JSON only as far as never to leave the slice: it
// finds its way through well-formed bodies fast, and gives up on others. It decodes nothing.
type walk struct {
	b []byte
	i int
}

// space skips white space and returns the byte after it, 0 at the end.
func (w *walk) space() byte {
	for w.i < len(w.b) {
		switch c := w.b[w.i]; c {
		case ' ', '\t', '\n', '\r':
			w.i++
		default:
			return c
		}
	}
	return 0
}

// enter steps over an opening bracket.
func (w *walk) enter(open byte) bool {
	if w.space() != open {
		return false
	}
	w.i++
	return true
}

// key steps over the next `"name":` of an object, and the comma before it. It is false at the
// object's end, and for anything else that is not a member.
func (w *walk) key() (name []byte, ok bool) {
	c := w.space()
	if c == ',' {
		w.i++
		c = w.space()
	}
	if c != '"' {
		return nil, false
	}
	name, ok = w.str()
	if !ok || w.space() != ':' {
		return nil, false
	}
	w.i++
	return name, true
}

// str steps over a string and returns what is between the quotes, escapes and all.
func (w *walk) str() ([]byte, bool) {
	if w.i >= len(w.b) || w.b[w.i] != '"' {
		return nil, false
	}
	start := w.i + 1
	for i := start; i < len(w.b); {
		n := bytes.IndexByte(w.b[i:], '"')
		if n < 0 {
			break
		}
		i += n
		// The quote ends the string unless an odd number of backslashes is before it.
		j := i
		for j > start && w.b[j-1] == '\\' {
			j--
		}
		i++
		if (i-1-j)%2 == 0 {
			w.i = i
			return w.b[start : i-1], true
		}
	}
	w.i = len(w.b)
	return nil, false
}

// value steps over any value.
func (w *walk) value() bool {
	switch w.space() {
	case 0:
		return false
	case '"':
		_, ok := w.str()
		return ok
	case '{', '[':
		return w.container()
	default:
		start := w.i
		for w.i < len(w.b) && scalar[w.b[w.i]] {
			w.i++
		}
		return w.i > start
	}
}

// container steps over an object or array by counting brackets outside of strings.
func (w *walk) container() bool {
	depth := 0
	for w.i < len(w.b) {
		switch w.b[w.i] {
		case '"':
			if _, ok := w.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				w.i++
				return true
			}
		}
		w.i++
	}
	return false
}

// id steps over a value that can be an id, a short string without escapes or an integer, and returns
// its text; nil for any other value, and then the walk is over.
func (w *walk) id() []byte {
	switch w.space() {
	case '{', '[':
		return nil // not stepped over: many nested ones would cost their square
	case '"':
		s, ok := w.str()
		if !ok || len(s) == 0 || len(s) > idBytesMax || bytes.IndexByte(s, '\\') >= 0 {
			return nil
		}
		return s
	}
	start := w.i
	if !w.value() || !digits(w.b[start:w.i]) {
		return nil
	}
	return w.b[start:w.i]
}

// idBytesMax is far above any documented id of a WABA or number (15 to 17 digits).
const idBytesMax = 64

func digits(b []byte) bool {
	if len(b) == 0 || len(b) > idBytesMax {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// scalar are the bytes of numbers, true, false and null.
var scalar = func() (t [256]bool) {
	for _, c := range []byte("+-.0123456789Eaeflnrstu") {
		t[c] = true
	}
	return t
}()
