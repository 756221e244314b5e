package event

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// str is a text.
func (s *scanner) str() string {
	b := s.text()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// filled is a text that is not empty.
func (s *scanner) filled() string {
	v := s.str()
	if v == "" {
		s.fail("is empty")
	}
	return v
}

// hexadecimal is a text of hexadecimal digits, at least one.
func (s *scanner) hexadecimal() string {
	v := s.filled()
	for i := range len(v) {
		if c := v[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			s.fail("is not hexadecimal")
		}
	}
	return v
}

// text is the content of a string: a part of the value, or a copy where it has escapes.
func (s *scanner) text() []byte {
	if s.err != nil {
		return nil
	}
	if s.space() != '"' {
		s.fail("is no string")
		return nil
	}
	start := s.i + 1
	switch end := plainEnd(s.b, start); {
	case end == len(s.b):
		s.fail("is cut off")
	case s.b[end] == '"':
		s.i = end + 1
		return s.b[start:end:end]
	default:
		return s.escaped(start, end)
	}
	return nil
}

// plainEnd is the position from i on of a quote, a backslash or a control character, or the end.
func plainEnd(b []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^'"'*ones, x^'\\'*ones
		if m := ((x-' '*ones)&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// escaped copies a string that began at start and has its first escape, or a fault, at i.
func (s *scanner) escaped(start, i int) []byte {
	out := append(make([]byte, 0, i-start+32), s.b[start:i]...)
	for i < len(s.b) {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return out
		case c == '\\':
			r, n := unescape(s.b[i:])
			if n == 0 {
				s.i = i
				s.fail("has an escape that is none")
				return nil
			}
			out = utf8.AppendRune(out, r)
			i += n
		case c < ' ':
			s.i = i
			s.fail("has a control character")
			return nil
		}
		end := plainEnd(s.b, i)
		out = append(out, s.b[i:end]...)
		i = end
	}
	s.fail("is cut off")
	return nil
}

// unescape reads one escape, or two that are a surrogate pair. Half a pair is U+FFFD. n is 0 where there is none.
func unescape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex4(b[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case (c|0x20)-'a' < 6:
			c = (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// integer is a whole number, in any spelling of JSON's.
func (s *scanner) integer() int64 {
	if s.err != nil {
		return 0
	}
	s.space()
	start := s.i
	if !s.number() {
		s.fail("is no number")
		return 0
	}
	text := s.b[start:s.i]
	if digits := len(text); digits < 19 { // as nearly all are written
		n := int64(0)
		for _, c := range text {
			if c-'0' >= 10 {
				digits = 0
				break
			}
			n = n*10 + int64(c-'0')
		}
		if digits > 0 {
			return n
		}
	}
	n, fraction, ok := schemas.Integral(text)
	switch {
	case !ok:
		s.fail("does not fit into 64 bits")
	case fraction:
		s.fail("is no integer")
	}
	return n
}

func (s *scanner) between(least, most int64) int64 {
	n := s.integer()
	if n < least || n > most {
		s.fail("is out of its range")
	}
	return n
}

func (s *scanner) count() int64 { return s.between(0, math.MaxInt64) }

func (s *scanner) int32() int32 { return int32(s.between(math.MinInt32, math.MaxInt32)) }

// number skips a number.
func (s *scanner) number() bool {
	b, i := s.b, s.i
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' < 10 {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return false
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	s.i = i
	return true
}

func (s *scanner) boolean() bool {
	if s.err != nil {
		return false
	}
	switch s.space() {
	case 't':
		return s.literal("true")
	case 'f':
		s.literal("false")
		return false
	}
	s.fail("is neither true nor false")
	return false
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		s.fail("is no value")
		return false
	}
	s.i += len(word)
	return true
}

// time is a point in time as RFC 3339 writes it.
func (s *scanner) time() (t time.Time) {
	b := s.text()
	if s.err != nil {
		return t
	}
	t, ok := parseTime(b)
	if !ok {
		s.fail("is no time")
	}
	return t
}

// parseTime reads a time as RFC 3339 writes it. Package time takes hours of one digit, too.
func parseTime(b []byte) (t time.Time, ok bool) {
	const hours, point = len("2006-01-02T15"), len("2006-01-02T15:04:05")
	ok = len(b) > point && b[hours] == ':' && b[point] != ',' && t.UnmarshalText(b) == nil
	return t, ok
}
