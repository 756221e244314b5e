package main

import (
	"slices"
	"testing"

	"github.com/coexstream/coexstream/bench/compare"
)

func TestEveryGoalIsOfAMatchAndHasABound(t *testing.T) {
	for _, g := range (&options{backlogBytes: 200 * megabyte}).goals() {
		if g.Match != "" && !slices.Contains(names(), g.Match) {
			t.Errorf("%s: there is no match %q, only %q", g.What, g.Match, names())
		}
		if (g.Match == "") != (g.Of == "") || (g.Match == "") != (g.Metric == "") {
			t.Errorf("%s: match %q, metric %q and contestant %q go together", g.What, g.Match, g.Metric, g.Of)
		}
		if g.Bound != compare.AtLeast && g.Bound != compare.AtMost || g.What == "" {
			t.Errorf("%s: bound %q", g.What, g.Bound)
		}
	}
}

func TestOfARunOfSomeMatchesTheirGoalsAreTold(t *testing.T) {
	all := &options{backlogBytes: megabyte}
	if n, want := len(all.goalsSelected()), len(all.goals()); n != want {
		t.Errorf("%d goals of a whole run, want %d", n, want)
	}
	some := (&options{backlogBytes: megabyte, only: "isolation,window"}).goalsSelected()
	for _, match := range []string{"isolation", "window"} {
		if !slices.ContainsFunc(some, func(g compare.Goal) bool { return g.Match == match }) {
			t.Errorf("no goal of %s", match)
		}
	}
	if len(some) > 3 {
		t.Errorf("%d goals of two matches", len(some))
	}
}

// The expected values of the benchmark come from the world, not from the subject.
func TestCuttersSeeTheMessagesOfTheTruth(t *testing.T) {
	body, messages, err := chunkBody()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cutters() {
		n, err := c.cut(body)
		if err != nil || c.messages && n != messages {
			t.Errorf("%s: %d messages, not %d, %v", c.name, n, messages, err)
		}
	}
}

func TestAnOnboardingIsMadeOfChunksWithDifferentMessages(t *testing.T) {
	h := &harness{o: options{short: true}}
	seen := map[string]bool{}
	for range 2 {
		chunks, err := h.onboarding()
		if err != nil {
			t.Fatal(err)
		}
		large := 0
		for _, c := range chunks {
			for _, id := range c.wamids {
				if seen[id] {
					t.Fatalf("%s is told twice", id)
				}
				seen[id] = true
			}
			if len(c.body) > 500_000 {
				large++
			}
		}
		if large == 0 {
			t.Errorf("none of %d chunks is large", len(chunks))
		}
	}
}
