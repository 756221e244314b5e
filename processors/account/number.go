package account

// Concerns tells whether an event is about a number of its WABA, whose display_phone_number is given:
// about all of them when value.phone_number is absent. Phone numbers are equal when their digits are: one
// side comes as 15550783881, the other as +1 555-078-3881. A number whose display number is not known yet is
// taken as meant: most WABAs have one number.
func Concerns(phoneNumber []byte, display string) bool {
	i, j, digits := 0, 0, false
	if display == "" {
		return true
	}
	for {
		for i < len(phoneNumber) && !isDigit(phoneNumber[i]) {
			i++
		}
		for j < len(display) && !isDigit(display[j]) {
			j++
		}
		switch {
		case i == len(phoneNumber):
			return !digits || j == len(display)
		case j == len(display) || phoneNumber[i] != display[j]:
			return false
		}
		digits = true
		i++
		j++
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
