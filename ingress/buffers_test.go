package ingress

import "testing"

// TestBufferTakesLittleMoreThanItsBody: hundreds of long bodies are in memory at a time.
func TestBufferTakesLittleMoreThanItsBody(t *testing.T) {
	for n := shortBytesMax; n <= 5<<20; n += 12345 {
		if got := roomFor(n); got < int64(n) || got > int64(n+n/4) {
			t.Errorf("%d bytes get a buffer of %d", n, got)
		}
	}
}
