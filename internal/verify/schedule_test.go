package verify

import (
	"slices"
	"testing"

	"github.com/coexstream/coexstream/internal/verify/world"
)

// drain takes every delivery, and returns how many scripts were open at most.
func drain(t *testing.T, s *schedule) (bodies []int, most int) {
	t.Helper()
	under := map[int]int{} // deliveries out, by script
	last := map[int]int{}  // started scripts, by their remaining deliveries
	var out []delivery
	for {
		d, ok, wait := s.take()
		switch {
		case ok:
			bodies = append(bodies, d.body)
			under[d.script]++
			last[d.script]++
			out = append(out, d)
			most = max(most, len(under))
			continue
		case wait == nil && len(out) == 0:
			return bodies, most
		case len(out) == 0:
			t.Fatal("it waits for nothing")
		}
		d, out = out[0], out[1:]
		if under[d.script]--; under[d.script] == 0 && last[d.script] == 2 {
			delete(under, d.script)
		}
		s.done(d, true)
	}
}

func TestNoMoreBusinessesAreUnderWayThanAllowed(t *testing.T) {
	var scripts []world.Script
	for i := range 20 {
		scripts = append(scripts, world.Script{Steps: []world.Step{{Bodies: []int{2 * i}}, {Bodies: []int{2*i + 1}}}})
	}
	scripts[3].Steps = nil // one without a webhook takes nobody's place
	for _, test := range []struct{ atOnce, most int }{{1, 1}, {3, 3}, {0, 19}, {100, 19}} {
		bodies, most := drain(t, newSchedule(scripts, test.atOnce, 1))
		if most != test.most {
			t.Errorf("%d at once: %d were", test.atOnce, most)
		}
		slices.Sort(bodies)
		if len(bodies) != 38 || len(slices.Compact(bodies)) != 38 {
			t.Errorf("%d at once: bodies %v", test.atOnce, bodies)
		}
	}
}
