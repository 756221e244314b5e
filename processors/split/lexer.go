package split

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
)

// The functions of this file and of structure.go take a position and return the one after the value that they read,
// or -1 if the body is rejected. Callers pass only positions inside the body.

// Eight bytes at a time: a byte of each word below repeats eight times.
const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	spaces = ' ' * ones
	quotes = '"' * ones
	slants = '\\' * ones
)

// special marks, in the high bit of its byte, every byte of x that is below 0x20, a quote or a backslash. A subtraction
// borrows only from a byte that is marked itself, so marks above the lowest one may be false, and the lowest one is
// true. Bytes from 0x80 up may be marked or not: see the callers.
func special(x uint64) uint64 {
	return (x - spaces) | ((x ^ quotes) - ones) | ((x ^ slants) - ones)
}

// plainASCII returns the position of the first byte from i on that is not a printable ASCII character standing for
// itself in a string, or len(b).
func plainASCII(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i : i+8 : i+8]) // with these bounds there is one check only
		if m := (special(x) | x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// plainAny is plainASCII, but bytes from 0x80 up are plain.
func plainAny(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i : i+8 : i+8]) // with these bounds there is one check only
		if m := special(x) &^ x & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// str reads the string whose opening quote is at i, and reports whether it has escapes.
func (s *Scanner) str(i int) (end int, escaped bool) {
	j := plainASCII(s.in, i+1)
	if j < len(s.in) && s.in[j] == '"' {
		return j + 1, false
	}
	return s.strFrom(i+1, j)
}

// strFrom is str for a string that is more than plain ASCII: it starts at start, and j is its first
// byte that is not plain.
func (s *Scanner) strFrom(start, j int) (end int, escaped bool) {
	b := s.in
	wide := false
	for j < len(b) {
		switch c := b[j]; {
		case c == '"':
			if wide && !utf8.Valid(b[start:j]) {
				s.soft(schemas.ReasonJSONUTF8, start+validPrefix(b[start:j]), "invalid UTF-8 in a string")
			}
			return j + 1, escaped
		case c == '\\':
			escaped = true
			for j < len(b) && b[j] == '\\' { // a text in another script is a run of escapes
				if j = s.escape(j); j < 0 {
					return -1, false
				}
			}
		case c >= utf8.RuneSelf:
			wide = true // checked in one go at the end of the string
		default:
			return s.fail(schemas.ReasonJSONInvalid, j, "a control character in a string"), false
		}
		if wide {
			j = plainAny(b, j)
		} else {
			j = plainASCII(b, j)
		}
	}
	return s.fail(schemas.ReasonJSONInvalid, len(b), detailEnd), false
}

// validPrefix returns the length of b's longest prefix of whole UTF-8 sequences.
func validPrefix(b []byte) int {
	n := 0
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// escape reads the escape sequence whose backslash is at i. A surrogate pair is one character. An unpaired one is
// JSON too (RFC 8259, section 8.2), and counts as U+FFFD.
func (s *Scanner) escape(i int) int {
	b := s.in
	if i+1 >= len(b) {
		return s.fail(schemas.ReasonJSONInvalid, len(b), detailEnd)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return s.fail(schemas.ReasonJSONInvalid, i, "an unknown escape sequence in a string")
	}
	v, ok := hex4(b, i+2)
	if !ok {
		return s.fail(schemas.ReasonJSONInvalid, i, `\u without four hexadecimal digits`)
	}
	if v&0xF800 != 0xD800 {
		return i + 6
	}
	if v < 0xDC00 && i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
		if low, ok := hex4(b, i+8); ok && low&0xFC00 == 0xDC00 {
			return i + 12
		}
	}
	return i + 6
}

// hexDigits maps a hexadecimal digit to its value, and every other byte to 0xFF.
var hexDigits = func() (t [256]uint8) {
	for i := range t {
		t[i] = 0xFF
	}
	for i, c := range "0123456789abcdef" {
		t[c] = uint8(i)
	}
	for i, c := range "ABCDEF" {
		t[c] = uint8(10 + i)
	}
	return t
}()

// hex4 reads four hexadecimal digits at i.
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	h := b[i : i+4 : i+4]
	d0, d1, d2, d3 := hexDigits[h[0]], hexDigits[h[1]], hexDigits[h[2]], hexDigits[h[3]]
	return rune(d0)<<12 | rune(d1)<<8 | rune(d2)<<4 | rune(d3), d0|d1|d2|d3 < 16
}

// number reads the number at i: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *Scanner) number(i int) int {
	b := s.in
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits reads one or more digits.
func (s *Scanner) digits(i int) int {
	b := s.in
	start := i
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	if i > start {
		return i
	}
	if i == len(b) {
		return s.fail(schemas.ReasonJSONInvalid, i, detailEnd)
	}
	return s.fail(schemas.ReasonJSONInvalid, i, "a number without a digit where there must be one")
}

// literal reads word at i.
func (s *Scanner) literal(i int, word string) int {
	if end := i + len(word); end <= len(s.in) && string(s.in[i:end]) == word {
		return end
	}
	return s.fail(schemas.ReasonJSONInvalid, i, "neither true, false, null nor another value")
}

// at returns the byte at i, or 0 after the end.
func at(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}

// behindSpace is the position of the first byte from i on that is not white space, and that byte: 0 at the end. Few bodies
// have white space, so nobody should pay for the walk.
//
//go:noinline
func (s *Scanner) behindSpace(i int) (int, byte) {
	s.spaced = true
	i = space(s.in, i)
	return i, at(s.in, i)
}

// space returns the position of the first byte from i on that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
