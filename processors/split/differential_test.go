package split

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"unicode/utf8"

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
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	tree, refErr := parseTree(body)
	if refErr != nil {
		if err == nil {
			t.Fatalf("accepted %q, which jsontext refuses: %v", body, refErr)
		}
		switch e := err.(*Error); e.Reason {
		case schemas.ReasonJSONInvalid, schemas.ReasonJSONTrailing, schemas.ReasonJSONTooDeep, schemas.ReasonBodyEmpty:
			if e.Offset < 0 || e.Offset > len(before) {
				t.Fatalf("offset %d of %v is outside of %q", e.Offset, e, body)
			}
		default:
			t.Fatalf("refused %q with %v; jsontext says %v", body, e, refErr)
		}
		return
	}
	want, places, reason := reference(tree)
	if err != nil {
		e := err.(*Error)
		loose := e.Reason == schemas.ReasonJSONDuplicate || e.Reason == schemas.ReasonJSONUTF8
		// Of several reasons any may come first.
		if reason == "" || e.Reason != reason && !(loose && looseness(tree.raw) != "") {
			t.Fatalf("refused %q: %v; the reference says %q", body, e, reason)
		}
		return
	}
	if reason != "" {
		t.Fatalf("accepted %q; the reference says %q", body, reason)
	}
	var left []string
	for i := range got.Places {
		left = append(left, string(got.Places[i].AppendPath(nil, got)))
	}
	slices.Sort(left)
	slices.Sort(places)
	if len(got.Places) < placesMax && !slices.Equal(left, places) {
		t.Fatalf("scan of %q leaves out %q, the reference %q", body, left, places)
	}
	for i := range got.Changes {
		checkWhatLeaves(t, body, &got.Changes[i])
	}
	if g, w := dump(got, "Places", "Odd", "ownWABA", "Rest"), dump(want, "Places", "Odd", "ownWABA", "Rest"); g != w {
		t.Fatalf("scan of %q: %s", body, diffLines(g, w))
	}
}

// checkWhatLeaves holds that every piece of a body that can leave as it is, is strict JSON, but for halves of surrogates.
func checkWhatLeaves(t *testing.T, body []byte, c *Change) {
	t.Helper()
	if (c.Cut > 0) != (c.Odd.Reason != "") || c.Refused && c.Cut != 1 {
		t.Fatalf("a change of %q: %d parts are left out, the first for %q", body, c.Cut, c.Odd.Reason)
	}
	if c.Refused { // only its place counts
		*c = Change{Entry: c.Entry, Index: c.Index, Raw: c.Raw, EntryID: c.EntryID, EntryTime: c.EntryTime, Cut: 1, Refused: true, Loose: true}
		return
	}
	strict := func(raw []byte) {
		if raw == nil {
			return
		}
		if !utf8.Valid(raw) {
			t.Fatalf("%q of %q is no UTF-8", raw, body)
		}
		if _, err := readStrictly(wholeSurrogates(raw)); err != nil {
			t.Fatalf("%q of %q can leave; jsontext says %v", raw, body, err)
		}
	}
	if !c.Loose {
		strict(c.Raw)
		strict(c.Value)
	}
	for i := range c.Profiles {
		strict(c.Profiles[i].Raw)
	}
	strict(c.Errors)
	for _, list := range [][]Message{c.Messages, c.Echoes, c.Statuses, c.Handovers} {
		for i := range list {
			strict(list[i].Raw)
		}
	}
	for i := range c.StateSync {
		strict(c.StateSync[i].Raw)
	}
	for i := range c.History {
		strict(c.History[i].Errors)
		for k := range c.History[i].Threads {
			for m := range c.History[i].Threads[k].Messages {
				strict(c.History[i].Threads[k].Messages[m].Raw)
			}
		}
	}
}

func TestSamplesAgreeWithTheReference(t *testing.T) {
	s := NewScanner(wideLimits)
	for name, body := range samples {
		t.Run(name, func(t *testing.T) { checkAgainstReference(t, s, []byte(body)) })
	}
	for name, body := range looseSamples {
		t.Run("odd "+name, func(t *testing.T) { checkAgainstReference(t, s, []byte(body)) })
	}
	t.Run("1 MB of history", func(t *testing.T) { checkAgainstReference(t, s, historyBody(1<<20)) })
}

// TestEveryCutOfABodyIsRefused cuts and damages the samples at every byte. The scanner accepts the same grammar as
// jsontext, for damage at any place.
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
	all := maps.Clone(looseSamples)
	for name, body := range samples {
		all["good "+name] = body
	}
	for name, body := range all {
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

// FuzzScanAgainstJSONText compares the scanner with jsontext and the reference. Both accept or both refuse, both leave
// out the same parts, and all others are equal, byte for byte. The output is strict JSON.
func FuzzScanAgainstJSONText(f *testing.F) {
	for _, body := range samples {
		f.Add([]byte(body))
	}
	for _, body := range looseSamples {
		f.Add([]byte(body))
	}
	s := NewScanner(wideLimits)
	f.Fuzz(func(t *testing.T, body []byte) { checkAgainstReference(t, s, body) })
}
