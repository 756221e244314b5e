package route

import "bytes"

// carriesHistory searches with bytes.Index for the ending that all of the providers' words share, and inspects the bytes around
// each hit. A hit inside a text does not count, because a quote inside a string has a backslash before it.
func carriesHistory(body []byte) bool {
	word := []byte(historyEnding + `"`)
	for at := 0; ; {
		n := bytes.Index(body[at:], word)
		if n < 0 {
			return false
		}
		start, end := at+n, at+n+len(word)
		at = end
		if opens(body, start) {
			cur := cursor{b: body, i: end}
			if cur.space() == ':' {
				cur.i++
				if cur.space() == '[' {
					return true
				}
				continue
			}
		}
		if isHistoryWord(body[:end-1]) {
			return true
		}
	}
}

// isHistoryWord reports whether b ends with a provider's word for history, as the whole value of its member.
func isHistoryWord(b []byte) bool {
	for i := range historyWords {
		w := &historyWords[i]
		start := len(b) - len(w.Value)
		if start > 0 && string(b[start:]) == w.Value && opens(b, start) && string(nameBefore(b[:start-1])) == w.Member {
			return true
		}
	}
	return false
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
