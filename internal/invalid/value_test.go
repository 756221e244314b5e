package invalid

import (
	"testing"
	"time"
)

func TestOneWordingForEveryKindOfValue(t *testing.T) {
	for _, of := range []struct {
		err  error
		want string
	}{
		{Value("a.key", 7, "%d or more", 8), "a.key: 7 is not allowed; allowed: 8 or more"},
		{Value("a.key", "", "a path"), `a.key: "" is not allowed; allowed: a path`},
		{Value("a.key", "x%d\n", "100%%"), `a.key: "x%d\n" is not allowed; allowed: 100%`},
		{Value("a.key", time.Minute, "more"), "a.key: 1m0s is not allowed; allowed: more"},
		{Value("a.key", Text("7d"), "more"), "a.key: 7d is not allowed; allowed: more"},
		{From("a.key", Secret, "a flag", "others"), "a.key: the value (from a flag) is not allowed; allowed: others"},
		{From("a.key", "x", "x.yaml", "others"), `a.key: "x" (from x.yaml) is not allowed; allowed: others`},
	} {
		if got := of.err.Error(); got != of.want {
			t.Errorf("%q, want %q", got, of.want)
		}
	}
}
