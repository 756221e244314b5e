package judge

import (
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// Any text in the place of a wamid is returned unchanged: packed or not, with valid base64 or nearly valid.
func TestAnArenaGivesBackWhatItWasGiven(t *testing.T) {
	rng := seed.Rand(t)
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_. \n\r\x00\xff"
	given := []string{
		"", "x", "wamid.", "wamid.A", "wamid.AA", "wamid.AA==", "wamid.AB==", "wamid.AAA=", "wamid.AAB=", "wamid.AAAA", "wamid.AA\nAA", "wamid.AAAA\n",
		"wamid.AAAA====", "WAMID.AAAA", strings.Repeat("long", 8000), "wamid." + strings.Repeat("AAAA", 8000), "wamid." + strings.Repeat("AAAA", 10_000), "wamid." + strings.Repeat("AAAA", 20_000),
	}
	for range 20_000 {
		b := make([]byte, 4*rng.IntN(15))
		usual := len(letters)
		if rng.IntN(4) > 0 {
			usual = 64
		}
		for i := range b {
			b[i] = letters[rng.IntN(usual)]
		}
		given = append(given, wamidHead+string(b))
	}
	var a arena
	spans := make([]span, len(given))
	for i, s := range given {
		spans[i] = a.put(s)
	}
	for i, s := range given {
		if got := a.get(spans[i]); got != s[:min(len(s), packedBit-1)] && got != s {
			t.Errorf("%.80q is %.80q", s, got)
		}
	}
}
