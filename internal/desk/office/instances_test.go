package office

import (
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Four offices share one log. Each type is requested once.
func TestOfSeveralDesksOneRequests(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		var offices []*Office
		for range 4 {
			offices = append(offices, r.office())
			r.run(offices[len(offices)-1])
		}
		r.start(offices[0])
		for _, o := range offices {
			r.await(o, "both requests", next(desk.Nothing))
		}
		if n := len(r.fake.Posts()); n != 2 {
			t.Errorf("%d requests: %+v", n, r.fake.Posts())
		}
	})
}

// A process that ends between the intent and the outcome leaves an unknown outcome for all others.
func TestAnAbandonedIntentBecomesUnknownForTheNextProcess(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		dead := r.office()
		r.start(dead)
		n, _ := dead.number("77")
		intent := stepOf(&n, syncrequest.Contacts, "dead", "cli", syncrequest.Intended, time.Now(), graph.Outcome{}, 0)
		if counts, err := dead.commit(t.Context(), &intent, n.Last); err != nil || !counts {
			t.Fatal(counts, err)
		}
		o := r.office()
		r.run(o)
		r.await(o, "the wait", next(desk.Wait))
		forward(unknownAfter)
		s := r.await(o, "the decision", next(desk.Person))
		if s.Contacts.State != "unknown" || len(r.fake.Posts()) != 0 {
			t.Errorf("%+v %+v", s.Contacts, r.fake.Posts())
		}
		// The steps of the dead process reach the raw log.
		forward(copyAfter + tick)
		got := r.log.records()
		slices.Sort(got)
		if !slices.Equal(slices.Compact(got), []string{"contacts intended", "contacts unknown"}) {
			t.Errorf("raw log %q", got)
		}
		r.start(o, func(w *Wish) { w.AskAgain = "no webhook came" })
		r.await(o, "both requests", next(desk.Nothing))
	})
}
