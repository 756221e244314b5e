// Package account says what an account_update event means for the onboarding windows of a business's
// numbers. It is pure and keeps nothing.
package account

import "bytes"

// Kind is what an event does to onboarding windows.
type Kind uint8

// The kinds. FIELD-NOTES: PARTNER_REMOVED, ACCOUNT_OFFBOARDED and ACCOUNT_RECONNECTED mark the boundary
// between two onboardings; they may be duplicated, late, and out of order by a second.
const (
	Neither Kind = iota
	Closes       // what was onboarded is no longer
	Opens        // a new onboarding begins
)

// KindOf classifies value.event.
func KindOf(event []byte) Kind {
	switch string(event) {
	case "PARTNER_REMOVED", "ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED", "PARTNER_APP_UNINSTALLED":
		return Closes
	case "ACCOUNT_RECONNECTED", "PARTNER_ADDED":
		return Opens
	}
	return Neither
}

// Concerns tells whether an event with this value.phone_number is about the number with this display phone
// number. An event without one is about every number of its WABA; a number whose display phone number is
// not known yet is taken as meant.
func Concerns(phoneNumber []byte, display string) bool {
	p, d := digits(phoneNumber), digits([]byte(display))
	return len(p) == 0 || len(d) == 0 || bytes.Equal(p, d)
}

// digits strips what people put between the digits of a phone number.
func digits(s []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}
