package judge

import "strings"

// The judge reads phone numbers on its own, so that a mistake of the pipeline's is seen.

// digitsOf are the digits of a written phone number; any other id stays as it is.
func digitsOf(id string) string {
	if strings.Trim(id, "+ -().0123456789") != "" {
		return id
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, id)
}

// Spelling is the same for both spellings of a phone number that has two.
func Spelling(id string) string { return oneSpelling(id) }

// oneSpelling is the same for both spellings of a mobile number of Brazil, Mexico or Argentina.
func oneSpelling(id string) string {
	id = digitsOf(id)
	if len(id) != 13 {
		return id
	}
	switch {
	case id[:2] == "55" && id[4] == '9':
		return id[:4] + id[5:]
	case id[:3] == "521", id[:3] == "549":
		return id[:2] + id[3:]
	}
	return id
}
