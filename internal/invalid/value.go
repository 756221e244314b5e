// Package invalid has the one wording for an invalid value of a configuration key, a flag or a field of a Config:
//
//	KEY: VALUE is not allowed; allowed: WHAT
//
// It has no effects, and imports nothing of this module.
package invalid

import "fmt"

// Text is a value that is shown without quotes, because it is already formatted.
type Text string

// Value returns the error for a key's value. Strings are quoted. allowed and its arguments say which values are allowed.
func Value(key string, value any, allowed string, args ...any) error {
	return fmt.Errorf("%s: %s is not allowed; allowed: %s", key, shown(value), fmt.Sprintf(allowed, args...))
}

// From returns the error for a value whose origin is known: a file, a variable, a flag.
func From(key string, value any, origin, allowed string, args ...any) error {
	return fmt.Errorf("%s: %s (from %s) is not allowed; allowed: %s", key, shown(value), origin, fmt.Sprintf(allowed, args...))
}

// Secret is the value of a secret. Errors show it as `the value`.
const Secret = Text("the value")

func shown(value any) string {
	if s, ok := value.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(value)
}
