package world

import (
	"unicode/utf16"
	"unicode/utf8"
)

var words = [...]string{
	"hello", "thanks", "order", "delivery", "tomorrow", "please", "invoice", "can", "you", "the", "a", "for", "price", "blue",
	"size", "medium", "when", "is", "it", "ready", "address", "street", "great", "see", "we", "open", "at", "nine", "photo",
	"attached", "catalogue", "discount", "not", "yet", "call", "back", "morning", "évidemment", "mañana", "größer", "спасибо",
	"谢谢", "👍", "🙏🏽", "café", "naïve", "\"quoted\"", "back\\slash", "line\nbreak", "tab\there", "a/b", "<b>", "100 %",
	"\"field\":\"history\"", "{\"id\":\"1\"}", "wamid.X",
}

var firstNames = [...]string{"Pablo", "Aisha", "Zoë", "Łukasz", "Noor", "Mei", "Tomáš", "Ines", "Kwame", "Yuki", "Björn", "Олена"}

var lastNames = [...]string{"Morales", "Okafor", "Müller", "Nowak", "Haddad", "Chen", "Novák", "O'Neil", "Mensah", "Sato", "Åberg", "Коваль"}

// appendText appends a quoted text of some words.
func appendText(dst []byte, d *dice, wordsMin, wordsMax int) []byte {
	dst = append(dst, '"')
	for i := range wordsMin + d.n(wordsMax-wordsMin+1) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		// Words without anything special are the usual ones.
		k := d.n(37)
		if d.n(12) == 0 {
			k = 37 + d.n(len(words)-37)
		}
		dst = appendEscaped(dst, words[k])
	}
	return append(dst, '"')
}

// appendQuoted appends s as a JSON string, as Meta does: everything beyond ASCII is escaped.
func appendQuoted(dst []byte, s string) []byte {
	return append(appendEscaped(append(dst, '"'), s), '"')
}

func appendEscaped(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '/':
			dst = append(dst, '\\', '/')
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r >= ' ' && r < utf8.RuneSelf:
			dst = append(dst, byte(r))
		case r >= 0x10000:
			hi, lo := utf16.EncodeRune(r)
			dst = appendUnit(appendUnit(dst, uint16(hi)), uint16(lo))
		default:
			dst = appendUnit(dst, uint16(r))
		}
	}
	return dst
}

func appendUnit(dst []byte, u uint16) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15])
}
