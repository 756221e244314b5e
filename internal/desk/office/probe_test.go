package office

import (
	"testing"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
)

func TestThePreflightOfTheProviderIsSeenInThePlan(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		verdicts := func() map[string]desk.Verdict {
			p, err := o.Plan(t.Context(), Wish{PhoneNumberID: "77", WABAID: "9"})
			if err != nil {
				t.Fatal(err)
			}
			m := map[string]desk.Verdict{}
			for _, c := range p.Checks {
				m[c.Name] = c.Verdict
			}
			return m
		}
		for _, c := range []struct {
			check  string
			change func()
			want   desk.Verdict
		}{
			{"number", func() {}, desk.OK}, {"waba", func() {}, desk.OK}, {"subscription", func() {}, desk.OK}, {"fields", func() {}, desk.OK},
			{"fields", func() { r.fake.SetFields("555", "messages", "history") }, desk.Fail},
			{"subscription", func() { r.fake.Subscribe("9", "556") }, desk.Fail},
			{"number", func() { r.fake.Change("77", func(n *fakegraph.Number) { n.OnBizApp = false }) }, desk.Fail},
			{"waba", func() { r.fake.Change("77", func(n *fakegraph.Number) { n.WABA = "10" }) }, desk.Fail},
		} {
			c.change()
			if got := verdicts()[c.check]; got != c.want {
				t.Errorf("%s is %s, want %s", c.check, got, c.want)
			}
		}
		if n := len(r.fake.Posts()) + len(r.log.entries); n != 0 {
			t.Errorf("a plan left %d requests and entries", n)
		}
	})
}
