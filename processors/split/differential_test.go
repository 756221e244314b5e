package split

import (
	"bytes"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// wideLimits are those of jsontext.
var wideLimits = Limits{DepthMax: depthCeiling}

// checkAgainstReference scans body, and compares with what jsontext and the reference make of it.
func checkAgainstReference(t *testing.T, s *Scanner, body []byte) {
	t.Helper()
	before := bytes.Clone(body)
	got, err := s.Scan(body)
	if !bytes.Equal(before, body) {
		t.Fatalf("the scanner wrote to its input %q", before)
	}
	tree, refErr := parseTree(body)
	if refErr != nil {
		if err == nil {
			t.Fatalf("accepted %q, which jsontext refuses: %v", body, refErr)
		}
		switch e := err.(*Error); e.Reason {
		case schemas.ReasonJSONInvalid, schemas.ReasonJSONDuplicate, schemas.ReasonJSONUTF8,
			schemas.ReasonJSONTrailing, schemas.ReasonJSONTooDeep, schemas.ReasonBodyEmpty:
			if e.Offset < 0 || e.Offset > len(body) {
				t.Fatalf("offset %d of %v is outside of %q", e.Offset, e, body)
			}
		default:
			t.Fatalf("refused %q with %v; jsontext says %v", body, e, refErr)
		}
		return
	}
	want, reason := reference(tree)
	if err != nil {
		if e := err.(*Error); e.Reason != reason {
			t.Fatalf("refused %q: %v; the reference says %q", body, e, reason)
		}
		return
	}
	if reason != "" {
		t.Fatalf("accepted %q; the reference says %q", body, reason)
	}
	if g, w := dump(got), dump(want); g != w {
		t.Fatalf("scan of %q: %s", body, diffLines(g, w))
	}
}

func TestSamplesAgreeWithTheReference(t *testing.T) {
	s := NewScanner(wideLimits)
	for name, body := range samples {
		t.Run(name, func(t *testing.T) { checkAgainstReference(t, s, []byte(body)) })
	}
	t.Run("1 MB of history", func(t *testing.T) { checkAgainstReference(t, s, historyBody(1<<20)) })
}

// TestEveryCutOfABodyIsRefused cuts and damages the samples at every byte: the scanner accepts exactly
// what jsontext accepts, whatever the place of the damage.
func TestEveryCutOfABodyIsRefused(t *testing.T) {
	s := NewScanner(wideLimits)
	for name, body := range samples {
		t.Run(name, func(t *testing.T) {
			for i := range len(body) {
				if _, err := s.Scan([]byte(body[:i])); err == nil {
					t.Fatalf("accepted the first %d of %d bytes", i, len(body))
				}
			}
		})
	}
}

func TestEveryDamageIsJudgedAsJSONTextDoes(t *testing.T) {
	s := NewScanner(wideLimits)
	const bad = "\"\\{}[],:0-.eEtn \x00\x1f\x80\xc3\xff"
	const each = 4 // at every byte, in turn
	for name, body := range samples {
		t.Run(name, func(t *testing.T) {
			for i := range len(body) {
				for k := range each {
					c := bad[(i*each+k)%len(bad)]
					damaged := []byte(body)
					damaged[i] = c
					checkAgainstReference(t, s, damaged)
				}
			}
		})
	}
}

// FuzzScanAgainstJSONText holds the scanner against jsontext and the reference: both accept or both
// refuse, and all parts are equal, byte for byte.
func FuzzScanAgainstJSONText(f *testing.F) {
	for _, body := range samples {
		f.Add([]byte(body))
	}
	s := NewScanner(wideLimits)
	f.Fuzz(func(t *testing.T, body []byte) { checkAgainstReference(t, s, body) })
}
