package account

import (
	"bytes"

	"github.com/coexstream/coexstream/processors/identity"
)

// Concerns reports whether an event is about a number of its WABA, whose display_phone_number is given:
// about all of them when value.phone_number is absent. The two sides come in different spellings: 15550783881 and
// +1 555-078-3881, with and without the ninth digit. A number whose display number is not known yet is
// taken as meant: most WABAs have one number.
func Concerns(phoneNumber []byte, display string) bool {
	if display == "" {
		return true
	}
	named, own := digitsOf(phoneNumber), digitsOf([]byte(display))
	return len(named) == 0 || bytes.Equal(named, own) || identity.SamePhone(named, own)
}

// digitsOf returns the digits of a text.
func digitsOf(s []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}
