package graph

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// Token is a credential of a WABA or a number. It prints as "[redacted]" in all ways of package fmt, log/slog and encoding/json.
type Token struct{ value string }

const redacted = "[redacted]"

// NewToken returns the token in a text, without white space around it. ok is false for a text that is no token.
func NewToken(text string) (t Token, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Token{}, false
	}
	return Token{text}, true
}

// String returns a placeholder.
func (t Token) String() string { return redacted }

// GoString returns a placeholder.
func (t Token) GoString() string { return redacted }

// Format writes a placeholder for any verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns a placeholder.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes a placeholder.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText writes a placeholder.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Same reports whether two tokens are equal.
func (t Token) Same(o Token) bool { return t.value == o.value }

// quoteBytesMin is the length of a part of a token from which a text quotes it.
const quoteBytesMin = 8

// quotedIn reports whether a text contains the token or a part of it.
func (t Token) quotedIn(text string) bool {
	n := min(quoteBytesMin, len(t.value))
	if n == 0 {
		return false
	}
	for i := 0; i+n <= len(t.value); i++ {
		if strings.Contains(text, t.value[i:i+n]) {
			return true
		}
	}
	return false
}

// withheld replaces a text of an answer that quotes the token. Meta's message for a malformed token does so.
const withheld = "the message quotes the token and is withheld"

func (t Token) clean(text string) string {
	if t.quotedIn(text) {
		return withheld
	}
	return printable(text, messageBytesMax)
}

// messageBytesMax bounds a text of an answer.
const messageBytesMax = 300

// printable returns a text on one line, cut to n bytes.
func printable(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > n {
		text = strings.ToValidUTF8(text[:n], "") + "…"
	}
	return text
}
