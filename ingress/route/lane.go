package route

import "bytes"

// carriesHistory searches for the word with bytes.Index and inspects the bytes around each hit. A hit inside a text
// does not count, because a quote inside a string has a backslash before it.
func carriesHistory(body []byte) bool {
	word := []byte(`history"`)
	for at := 0; ; {
		n := bytes.Index(body[at:], word)
		if n < 0 {
			return false
		}
		start, end := at+n, at+n+len(word)
		at = end
		// Step back to the quote that opens the string.
		if before := body[:start]; bytes.HasSuffix(before, []byte(`whatsapp.smb.`)) {
			start -= len(`whatsapp.smb.`)
			if opens(body, start) && bytes.Equal(nameBefore(body[:start-1]), []byte("type")) {
				return true
			}
			continue
		}
		if !opens(body, start) {
			continue
		}
		cur := cursor{b: body, i: end}
		if cur.space() == ':' {
			cur.i++
			if cur.space() == '[' {
				return true
			}
			continue
		}
		switch string(nameBefore(body[:start-1])) {
		case "field", "event":
			return true
		}
	}
}

// opens reports whether a string starts at i, after a quote that no backslash escapes.
func opens(body []byte, i int) bool {
	return i >= 1 && body[i-1] == '"' && (i < 2 || body[i-2] != '\\')
}

// nameBefore returns the name of the member whose value starts after b. b ends in `"name" : `.
func nameBefore(b []byte) []byte {
	b = bytes.TrimRight(b, " \t\r\n")
	if len(b) == 0 || b[len(b)-1] != ':' {
		return nil
	}
	b = bytes.TrimRight(b[:len(b)-1], " \t\r\n")
	if len(b) == 0 || b[len(b)-1] != '"' {
		return nil
	}
	b = b[:len(b)-1]
	i := bytes.LastIndexByte(b, '"')
	if i < 0 {
		return nil
	}
	return b[i+1:]
}
