package schemas

import "math"

// Integral reads a number as JSON writes it, in any spelling: 100, 100.0, 1E+2, 1000e-1. It returns its whole part,
// rounded towards zero, and whether there is a fraction. Digits may begin with zeros, because vendors quote numbers. It is
// not ok when the text is no number, or the whole part does not fit.
func Integral(text []byte) (whole int64, fraction, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	before, rest := leadingDigits(text)
	var behind []byte
	if len(rest) > 0 && rest[0] == '.' {
		if behind, rest = leadingDigits(rest[1:]); len(behind) == 0 {
			return 0, false, false
		}
	}
	exponent, ok := readExponent(rest)
	if len(before) == 0 || !ok {
		return 0, false, false
	}
	point := len(before) + exponent // where it is in the digits before and behind together
	for i := range len(before) + len(behind) {
		var digit int64
		if i < len(before) {
			digit = int64(before[i] - '0')
		} else {
			digit = int64(behind[i-len(before)] - '0')
		}
		if i >= point {
			fraction = fraction || digit != 0
		} else if whole, ok = shifted(whole, digit); !ok {
			return 0, false, false
		}
	}
	for i := len(before) + len(behind); i < point && whole != 0; i++ {
		if whole, ok = shifted(whole, 0); !ok {
			return 0, false, false
		}
	}
	if negative {
		whole = -whole
	}
	return whole, fraction, true
}

func leadingDigits(t []byte) (digits, rest []byte) {
	n := 0
	for n < len(t) && t[n]-'0' < 10 {
		n++
	}
	return t[:n], t[n:]
}

// exponentMax is more than any number of digits that fits into memory.
const exponentMax = math.MaxInt32

// readExponent reads the rest behind the digits: nothing, or an exponent.
func readExponent(t []byte) (int, bool) {
	if len(t) == 0 {
		return 0, true
	}
	if t[0]|0x20 != 'e' {
		return 0, false
	}
	t = t[1:]
	sign := 1
	if len(t) > 0 && (t[0] == '+' || t[0] == '-') {
		if t[0] == '-' {
			sign = -1
		}
		t = t[1:]
	}
	digits, rest := leadingDigits(t)
	if len(digits) == 0 || len(rest) > 0 {
		return 0, false
	}
	n := 0
	for _, c := range digits {
		n = min(n*10+int(c-'0'), exponentMax)
	}
	return sign * n, true
}

// shifted appends a digit to a number.
func shifted(n, digit int64) (int64, bool) {
	if n > (math.MaxInt64-digit)/10 {
		return 0, false
	}
	return n*10 + digit, true
}
