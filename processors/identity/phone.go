package identity

// phoneDigitsMax bounds the digits of a phone number: E.164 allows 15, and some senders add a prefix.
const phoneDigitsMax = 24

const e164DigitsMax = 15

// phoneDigitsMin is the shortest phone number; test numbers have that few.
const phoneDigitsMin = 3

// international stands before a country's code where a number is dialled rather than written with a plus. No country's code
// begins with 0, so it is no part of the number.
const international = "00"

// internationalDigitsMin is how many digits have to follow it.
const internationalDigitsMin = 7

// withoutPrefix is a number in digits without the international prefix.
func withoutPrefix(digits []byte) []byte {
	if len(digits) >= len(international)+internationalDigitsMin && hasPrefix(digits, international) {
		return digits[len(international):]
	}
	return digits
}

// IsPhone reports whether id is written as a phone number: digits, and what people put between and before them.
func IsPhone(id []byte) bool {
	digits := 0
	for i, c := range id {
		switch {
		case isDigit(c):
			digits++
		case c == '+' && i == 0, isSeparator(c):
		default:
			return false
		}
	}
	return digits >= phoneDigitsMin && digits <= phoneDigitsMax && (digits <= e164DigitsMax || !isOldGroupID(id))
}

// Digits is a phone number in digits alone, without a plus or an international prefix: a slice of id where nothing else
// stands between them, else a new one. An id that is no phone number comes back as it is.
func Digits(id []byte) []byte {
	if digits, ok := Phone(id); ok {
		return digits
	}
	return id
}

// Phone is IsPhone and Digits in one; digits is nil where ok is false.
func Phone(id []byte) (digits []byte, ok bool) {
	if n := leadingDigits(id); n == len(id) { // as nearly all are written
		if n < phoneDigitsMin || n > phoneDigitsMax {
			return nil, false
		}
		return withoutPrefix(id), true
	}
	if !IsPhone(id) {
		return nil, false
	}
	start := 0
	for !isDigit(id[start]) {
		start++
	}
	end := start
	for end < len(id) && isDigit(id[end]) {
		end++
	}
	if end == len(id) {
		return withoutPrefix(id[start:end:end]), true
	}
	digits = make([]byte, 0, len(id)-start)
	for _, c := range id[start:] {
		if isDigit(c) {
			digits = append(digits, c)
		}
	}
	return withoutPrefix(digits), true
}

// SamePhone reports whether two phone numbers are one, with any characters between their digits, and each in any of its
// spellings. Two ids that are no phone numbers are never the same phone.
func SamePhone(a, b []byte) bool {
	if !sameEnd(a, b) {
		return false
	}
	x, ok := spellingOf(a)
	if !ok {
		return false
	}
	y, ok := spellingOf(b)
	return ok && x.n == y.n && x.digits == y.digits
}

// sameEnd compares the last digits of two ids, which all spellings of a number share. Nearly all pairs of numbers end here.
func sameEnd(a, b []byte) bool {
	for i, j := len(a)-1, len(b)-1; i >= 0 && j >= 0 && isDigit(a[i]) && isDigit(b[j]); i, j = i-1, j-1 {
		if a[i] != b[j] {
			return false
		}
		if len(a)-i >= commonEnd {
			break
		}
	}
	return true
}

// commonEnd is how many digits at the end all spellings of a number share: the optional digit and the international prefix are
// before them.
const commonEnd = 4

// Canonical is the one spelling by which all spellings of a phone number are found: the shorter one, in digits
// alone. It is for comparing, not for showing. ok is false where id is no phone number.
func Canonical(id []byte) (digits string, ok bool) {
	s, ok := spellingOf(id)
	if !ok {
		return "", false
	}
	return string(s.digits[:s.n]), true
}

// AppendCanonical appends the one spelling by which all spellings of a phone number are found, as Canonical has it, or the id
// itself where it is no phone number. longer reports whether id is the longer spelling of two.
func AppendCanonical(dst, id []byte) (canonical []byte, longer bool) {
	s, ok := spellingOf(id)
	if !ok {
		return append(dst, id...), false
	}
	return append(dst, s.digits[:s.n]...), s.longer
}

// OtherSpelling is the second spelling of a Brazilian, Mexican or Argentine mobile number in digits; nil where the
// number has one only.
func OtherSpelling(id []byte) []byte {
	if !IsPhone(id) {
		return nil
	}
	digits := Digits(id)
	if at := optionalDigit(digits); at >= 0 {
		return append(append(make([]byte, 0, len(digits)-1), digits[:at]...), digits[at+1:]...)
	}
	for _, c := range countries {
		if len(digits) == c.digits-1 && hasPrefix(digits, c.code) {
			return append(append(append(make([]byte, 0, len(digits)+1), digits[:c.at]...), c.optional), digits[c.at:]...)
		}
	}
	return nil
}

// spelling is a phone number without its optional digit. It is a value, so that comparing allocates nothing.
type spelling struct {
	digits [phoneDigitsMax]byte
	n      int
	longer bool // the id had that digit
}

func spellingOf(id []byte) (s spelling, ok bool) {
	if n := leadingDigits(id); n == len(id) { // as nearly all are written
		if n < phoneDigitsMin || n > phoneDigitsMax {
			return s, false
		}
		s.n = copy(s.digits[:], id)
	} else {
		if !IsPhone(id) {
			return s, false
		}
		for _, c := range id {
			if isDigit(c) {
				s.digits[s.n] = c
				s.n++
			}
		}
	}
	if n := s.n - len(withoutPrefix(s.digits[:s.n])); n > 0 {
		copy(s.digits[:], s.digits[n:s.n])
		clear(s.digits[s.n-n : s.n])
		s.n -= n
	}
	if at := optionalDigit(s.digits[:s.n]); at >= 0 {
		copy(s.digits[at:s.n], s.digits[at+1:s.n])
		s.n--
		s.digits[s.n], s.longer = 0, true
	}
	return s, true
}

// country is one whose mobile numbers have an optional digit.
type country struct {
	code     string
	digits   int // of the longer spelling
	at       int // place of the optional digit in it
	optional byte
}

var countries = [...]country{
	{"55", 13, 4, '9'}, // Brazil: 55 11 9 8765 4321
	{"52", 13, 2, '1'}, // Mexico: 52 1 55 1234 5678
	{"54", 13, 2, '9'}, // Argentina: 54 9 11 1234 5678
}

// optionalDigit is the place of the digit that a number has in its longer spelling only, or -1.
func optionalDigit(digits []byte) int {
	for _, c := range countries {
		if len(digits) == c.digits && digits[c.at] == c.optional && hasPrefix(digits, c.code) {
			return c.at
		}
	}
	return -1
}

func hasPrefix(digits []byte, prefix string) bool {
	return len(digits) >= len(prefix) && string(digits[:len(prefix)]) == prefix
}

func leadingDigits(id []byte) (n int) {
	for n < len(id) && isDigit(id[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isSeparator(c byte) bool { return c == ' ' || c == '-' || c == '(' || c == ')' || c == '.' }
