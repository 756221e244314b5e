package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOvertakenIsWhatComesOutBehindWhatWasReceivedLater(t *testing.T) {
	mad, other := func(o int64) arrival { return arrival{o, true} }, func(o int64) arrival { return arrival{o, false} }
	for _, c := range []struct {
		all             []arrival
		events, overtak int
	}{
		{nil, 0, 0},
		{[]arrival{mad(1), mad(1), other(2), mad(3)}, 3, 0}, // as they were received
		{[]arrival{other(2), mad(1), other(5), mad(3), mad(6)}, 3, 2},
		{[]arrival{other(5), other(2), mad(4)}, 1, 1},
	} {
		var o outcome
		if o.count(c.all); o.mad != c.events || o.overtaken != c.overtak {
			t.Errorf("%v: %d of %d; want %d of %d", c.all, o.overtaken, o.mad, c.overtak, c.events)
		}
	}
}

// TestRottenIsJudged: the damaged webhooks have to be missing, once each, and their bytes have to be in quarantine.
func TestRottenIsJudged(t *testing.T) {
	const good, bad = rottenPrefix + "12345678.00", rottenPrefix + "12345678.01"
	for name, c := range map[string]struct {
		out   map[string]int
		kept  string
		wrong string
	}{
		"right":         {map[string]int{good: 1}, string(flipped(bad)), ""},
		"lost":          {map[string]int{}, string(flipped(bad)), good + " came out 0 times"},
		"twice":         {map[string]int{good: 2}, string(flipped(bad)), good + " came out 2 times"},
		"not damaged":   {map[string]int{good: 1, bad: 1}, string(flipped(bad)), bad + " was damaged, and came out"},
		"no quarantine": {map[string]int{good: 1}, bad, "the rest of " + bad},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{dir: t.TempDir(), out: t.Output(), rotten: rotten{acked: []string{good, bad}, damaged: map[string]struct{}{}}}
			if err := os.MkdirAll(filepath.Join(s.spoolDir(), "raw.live", "quarantine"), 0o700); err != nil {
				t.Fatal(err)
			}
			segment := filepath.Join(s.spoolDir(), "raw.live", "1.spool")
			if err := os.WriteFile(segment, []byte("before "+bad+" behind"), 0o600); err != nil {
				t.Fatal(err)
			}
			n, err := s.damageSpool([]string{good, bad, "the last one"})
			if b, readErr := os.ReadFile(segment); n != 1 || err != nil || readErr != nil || string(b) != "before "+string(flipped(bad))+" behind" {
				t.Fatalf("%d were damaged, %v; the segment is %q, %v", n, err, b, readErr)
			}
			if err := os.WriteFile(filepath.Join(s.spoolDir(), "raw.live", "quarantine", "1.spool"), []byte("before "+c.kept+" behind"), 0o600); err != nil {
				t.Fatal(err)
			}
			err = s.judgeRotten(&outcome{rotten: c.out})
			if c.wrong == "" && err != nil || c.wrong != "" && (!errors.Is(err, errFaults) || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("%v; want %q", err, c.wrong)
			}
		})
	}
	s := &stage{dir: t.TempDir(), rotten: rotten{damaged: map[string]struct{}{}}}
	if _, err := s.damageSpool([]string{good, bad, "the last one"}); err == nil {
		t.Error("webhooks that are not in the spool are no error")
	}
}
