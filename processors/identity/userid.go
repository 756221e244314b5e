package identity

// IsUserID tells a business-scoped user id from a phone number and from a group: `CC.xxx` or `CC.ENT.xxx`, with the
// two letters of a country. [Meta: business-scoped user ids]
func IsUserID(id []byte) bool {
	return len(id) > 3 && id[2] == '.' && isLetter(id[0]) && isLetter(id[1])
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Named is an id, or nothing where it names nobody: blanks, or the signs around a number without its digits.
func Named(id []byte) []byte {
	for _, c := range id {
		if c != '+' && !isSeparator(c) {
			return id
		}
	}
	return nil
}
