package world

import "strconv"

// country says how a number and those that it knows are written.
type country uint8

const (
	plain    country = iota // digits, always the same
	withPlus                // with and without a plus
	// With and without a plus, and with and without an optional digit.
	brazil
	mexico
	argentina
	countries = iota
)

const (
	phoneRange = 8_000_000 // 1 + area code from 200 + 555 + four digits
	personBits = 20
)

// mobile is the shorter spelling of the k-th mobile number of a country, and the longer one.
func (c country) mobile(k uint64) (short, long string) {
	digits := strconv.FormatUint(10_000_000+k%10_000_000, 10)[1:] // seven
	switch c {
	case brazil: // 55, area, [9], eight digits
		return "55218" + digits, "552198" + digits
	case mexico: // 52, [1], ten digits
		return "5255" + digits + "0", "52155" + digits + "0"
	case argentina: // 54, [9], ten digits
		return "5411" + digits + "0", "54911" + digits + "0"
	}
	b := make([]byte, 0, 11)
	b = append(b, '1')
	b = strconv.AppendUint(b, 200+k%phoneRange/10_000, 10)
	b = append(b, "555"...)
	s := strconv.FormatUint(10_000+k%10_000, 10)
	s = string(append(b, s[1:]...))
	return s, s
}

// displayNumber is the phone number of a business.
func displayNumber(seed uint64, index int, c country) string {
	k := mix(seed+3) + uint64(index)
	if c <= withPlus {
		s := strconv.FormatUint(10_000_000+k%10_000_000, 10)
		return "1555" + s[1:]
	}
	short, long := c.mobile(k)
	if k&1 == 0 {
		return short
	}
	return long
}

// phone is the phone number of the n-th person that a number knows, in digits.
func (w *World) phone(n *number, person int) string {
	k := mix(w.cfg.Seed^uint64(n.index)<<personBits) + uint64(person)
	short, long := n.country.mobile(k)
	if person%2 == 0 {
		return short
	}
	return long
}

// respelt is how a webhook writes a phone number: as it is, or in another way that its number knows.
func (n *number) respelt(phone string, d *dice) string {
	if n.country == plain {
		return phone
	}
	k := d.n(4)
	if k >= 2 && n.country > withPlus {
		phone = n.country.other(phone)
	}
	if k%2 == 1 {
		phone = "+" + phone
	}
	return phone
}

// other is the other spelling of a number.
func (c country) other(phone string) string {
	at, digit := 2, "9"
	switch c {
	case brazil:
		at = 4
	case mexico:
		digit = "1"
	case argentina:
	default:
		return phone
	}
	if len(phone) == 13 {
		return phone[:at] + phone[at+1:]
	}
	return phone[:at] + digit + phone[at:]
}

// digits are those of a written number.
func digits(phone string) string {
	if phone != "" && phone[0] == '+' {
		return phone[1:]
	}
	return phone
}
