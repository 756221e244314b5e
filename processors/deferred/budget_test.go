package deferred

import "testing"

func TestOnlyWhatIsOverABusinessesBudgetWaits(t *testing.T) {
	l := Limits{BodyBytesMax: 100, BusinessBytesMax: 1000}
	for _, c := range []struct {
		name string
		of   Case
		want Reason
	}{
		{"a short body, alone", Case{Bytes: 100}, None},
		{"a short body beside others", Case{Bytes: 100, Others: true}, None},
		{"a long body, alone", Case{Bytes: 101}, LongBody},
		{"a long body beside others", Case{Bytes: 101, Others: true}, LongBody},
		{"the last one of the share", Case{Bytes: 100, Used: 900, Others: true}, None},
		{"the first one over the share", Case{Bytes: 100, Used: 901, Others: true}, OverShare},
		{"over the share, alone", Case{Bytes: 100, Used: 1 << 40}, None},
		{"behind an earlier one", Case{Bytes: 1, Waits: true}, InOrder},
		{"long, and behind an earlier one", Case{Bytes: 101, Waits: true, Others: true}, InOrder},
	} {
		if got := l.Decide(c.of); got != c.want {
			t.Errorf("%s: %v; want %v", c.name, got, c.want)
		}
	}
	small := Limits{BodyBytesMax: 100, BusinessBytesMax: 10}
	if got := small.Decide(Case{Bytes: 50, Others: true}); got != None {
		t.Errorf("the first body of a transaction that is longer than the share: %v", got)
	}
}

func TestASharesUseIsForgottenWithItsTransaction(t *testing.T) {
	var s Shares
	for range 3 {
		s.Begin()
		if n := s.Of([]byte("a")).Bytes; n != 0 {
			t.Fatalf("%d bytes are used at the beginning", n)
		}
		s.Of([]byte("a")).Bytes += 5
		s.Of([]byte("a")).Bytes += 6
		s.Of([]byte("b")).Bytes++
		if a, b := s.Of([]byte("a")).Bytes, s.Of([]byte("b")).Bytes; a != 11 || b != 1 {
			t.Fatalf("used: %d and %d; want 11 and 1", a, b)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		s.Begin()
		s.Of([]byte("a")).Bytes += 5
	}); n != 0 {
		t.Errorf("%v allocations for a business that is known", n)
	}
}

func TestSharesOfSoManyBusinessesAreKeptForTheNextTransaction(t *testing.T) {
	var s Shares
	s.Begin()
	name := func(i int) []byte { return []byte{byte(i >> 8), byte(i)} }
	for i := range sharesKept {
		s.Of(name(i))
	}
	if s.Begin(); len(s.of) != sharesKept {
		t.Fatalf("%d businesses are kept of %d", len(s.of), sharesKept)
	}
	s.Of(name(sharesKept)).Bytes = 1
	if s.Begin(); len(s.of) != 0 {
		t.Errorf("%d businesses are kept; the bound is %d", len(s.of), sharesKept)
	}
	if n := s.Of(name(sharesKept)).Bytes; n != 0 {
		t.Errorf("%d bytes are used at the beginning", n)
	}
}
