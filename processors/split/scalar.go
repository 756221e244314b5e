package split

import (
	"bytes"
	"math"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
)

// Scalars that routing reads. A value of another kind than expected counts as absent: the dialects of partners
// differ, and an odd property must not cost a batch.

// text reads the value at i into dst when it is a string.
func (s *Scanner) text(i int, dst *[]byte) int { return s.textUpTo(i, dst, math.MaxInt) }

// textUpTo is text for an id with a maximum length in bytes.
func (s *Scanner) textUpTo(i int, dst *[]byte, bytesMax int) int {
	if s.in[i] != '"' {
		return s.skip(i)
	}
	end, escaped := s.str(i)
	if end < 0 {
		return end
	}
	t := s.in[i+1 : end-1 : end-1]
	if escaped {
		t = s.unescape(t)
	}
	if len(t) > bytesMax {
		s.soft(schemas.ReasonIDTooLong, i, detailIDTooLong)
		return end
	}
	*dst = t
	return end
}

// idBytesMax is the maximum length of an id. The longest in use, of messages between users without phone numbers,
// have about 130 bytes. Ids are in many events, in their keys and in `state`.
const idBytesMax = 256

// id reads the value at i into dst if it is a string or a whole number, because some senders write ids as numbers.
// An id that is too long makes its part odd, and is not kept.
func (s *Scanner) id(i int, dst *[]byte) int {
	if s.in[i]-'0' >= 10 {
		return s.textUpTo(i, dst, idBytesMax)
	}
	end := s.number(i)
	if end < 0 {
		return end
	}
	t := s.in[i:end:end]
	for _, c := range t {
		if c-'0' >= 10 {
			return end
		}
	}
	if len(t) > idBytesMax {
		s.soft(schemas.ReasonIDTooLong, i, detailIDTooLong)
		return end
	}
	*dst = t
	return end
}

const detailIDTooLong = "an id is longer than 256 bytes"

// verbatim reads the value at i into dst, of any kind but null.
func (s *Scanner) verbatim(i int, dst *[]byte) int {
	end := s.skip(i)
	if end > 0 && s.in[i] != 'n' {
		*dst = s.in[i:end:end]
	}
	return end
}

// decimal reads the value at i if it is a number, or a string with one. It returns the whole part, and whether there
// is a fraction. Any notation is accepted (1E+2, 100.0). Negative numbers count as absent.
func (s *Scanner) decimal(i int) (end int, whole int64, fraction, ok bool) {
	var t []byte
	if c := s.in[i]; c-'0' < 10 || c == '-' {
		if end = s.number(i); end < 0 {
			return end, 0, false, false
		}
		t = s.in[i:end]
	} else if end = s.text(i, &t); end < 0 {
		return end, 0, false, false
	}
	whole, fraction, ok = parseDecimal(t)
	return end, whole, fraction, ok
}

func parseDecimal(t []byte) (whole int64, fraction, ok bool) {
	n := uint64(0)
	for _, c := range t {
		if c-'0' >= 10 {
			return otherDecimal(t)
		}
		n = n*10 + uint64(c-'0')
	}
	if len(t) == 0 || len(t) > 19 || n > math.MaxInt64 { // 19 digits fit in 64 bits
		return otherDecimal(t)
	}
	return int64(n), false, true
}

// otherDecimal is parseDecimal for rare notations: a fraction, an exponent, blanks around the number, a leading
// plus, more digits than fit.
func otherDecimal(t []byte) (whole int64, fraction, ok bool) {
	t = bytes.TrimPrefix(bytes.Trim(t, " \t\r\n"), []byte{'+'})
	whole, fraction, ok = schemas.Integral(t)
	if whole < 0 || len(t) > 0 && t[0] == '-' && (whole != 0 || fraction) {
		return 0, false, false
	}
	return whole, fraction, ok
}

// ordinal reads the value at i into dst when it is a whole number from 0 to 2³¹-1, quoted or not.
func (s *Scanner) ordinal(i int, dst *int32, has *bool) int {
	end, n, fraction, ok := s.decimal(i)
	if ok && !fraction && n <= 1<<31-1 {
		*dst, *has = int32(n), true
	}
	return end
}

// integer reads the value at i into dst when it is a whole number, quoted or not.
func (s *Scanner) integer(i int, dst *int64) int {
	end, n, fraction, ok := s.decimal(i)
	if ok && !fraction {
		*dst = n
	}
	return end
}

// From these values on, a timestamp is in milliseconds, microseconds or nanoseconds. In the unit before, each would
// be the year 5138.
const (
	millisFrom = 100_000_000_000
	microsFrom = 1000 * millisFrom
	nanosFrom  = 1000 * microsFrom
)

// seconds reads the timestamp at i, quoted or not, in seconds or smaller units, as Unix seconds.
func (s *Scanner) seconds(i int, dst *int64) int {
	end, n, _, ok := s.decimal(i)
	if ok {
		if n >= millisFrom {
			n = milliseconds(n) / 1000
		}
		*dst = n
	}
	return end
}

// millis reads the timestamp at i, quoted or not, in seconds or smaller units, as Unix milliseconds.
func (s *Scanner) millis(i int, dst *int64) int {
	end, n, _, ok := s.decimal(i)
	if ok {
		*dst = milliseconds(n)
	}
	return end
}

// milliseconds returns a timestamp of any unit in milliseconds.
func milliseconds(n int64) int64 {
	switch {
	case n < millisFrom:
		return n * 1000
	case n < microsFrom:
		return n
	case n < nanosFrom:
		return n / 1000
	}
	return n / 1_000_000
}

// date reads the RFC 3339 date at i as Unix seconds.
func (s *Scanner) date(i int, dst *int64) int {
	var t []byte
	end := s.text(i, &t)
	var d time.Time
	if end > 0 && len(t) >= len(time.DateTime)+1 && t[4] == '-' && d.UnmarshalText(t) == nil {
		*dst = d.Unix()
	}
	return end
}

// moment reads the timestamp at i, a number as millis has it or an RFC 3339 date, as Unix milliseconds.
func (s *Scanner) moment(i int, dst *int64) int {
	var seconds int64
	if s.in[i] == '"' {
		j := s.date(i, &seconds)
		if seconds != 0 || j < 0 {
			*dst = seconds * 1000
			return j
		}
	}
	return s.millis(i, dst)
}

// flag reads the truth value at i, quoted or not.
func (s *Scanner) flag(i int, dst *FromMe) int {
	var t []byte
	var end int
	switch s.in[i] {
	case 't', 'f':
		if end = s.skip(i); end > 0 {
			t = s.in[i:end]
		}
	default:
		end = s.text(i, &t)
	}
	switch string(t) {
	case "true":
		*dst = FromMeTrue
	case "false":
		*dst = FromMeFalse
	}
	return end
}

// unescape decodes the content of a valid string into the arena.
func (s *Scanner) unescape(t []byte) []byte {
	a, start := s.arena, len(s.arena)
	for {
		k := bytes.IndexByte(t, '\\')
		if k < 0 {
			a = append(a, t...)
			break
		}
		a = append(a, t[:k]...)
		c := t[k+1]
		t = t[k+2:]
		switch c {
		case 'b':
			a = append(a, '\b')
		case 'f':
			a = append(a, '\f')
		case 'n':
			a = append(a, '\n')
		case 'r':
			a = append(a, '\r')
		case 't':
			a = append(a, '\t')
		case 'u':
			r, _ := hex4(t, 0)
			t = t[4:]
			if utf16.IsSurrogate(r) {
				// An unpaired surrogate is U+FFFD, and the next character stands for itself
				var low rune
				if len(t) >= 6 && t[0] == '\\' && t[1] == 'u' {
					low, _ = hex4(t, 2)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					t = t[6:]
				}
			}
			a = utf8.AppendRune(a, r)
		default:
			a = append(a, c)
		}
	}
	s.arena = a
	return a[start:len(a):len(a)]
}
