package office

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
)

func TestAStartRequestsContactsThenHistoryAndWritesBothDown(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		r.run(o)
		if s := r.start(o); !s.Started || !s.Passes {
			t.Fatalf("%+v", s)
		}
		s := r.await(o, "both requests", next(desk.Nothing))
		if s.Contacts.RequestID == "" || s.History.RequestID == "" || s.History.State != "accepted" || s.DeadlineAt == nil {
			t.Errorf("%+v %+v", s.Contacts, s.History)
		}
		var types []string
		for _, p := range r.fake.Posts() {
			types = append(types, p.Type)
		}
		if want := []string{"smb_app_state_sync", "history"}; !slices.Equal(types, want) {
			t.Errorf("requests %q, want %q", types, want)
		}
		if got, want := r.log.records(), []string{"contacts intended", "contacts accepted", "history intended", "history accepted"}; !slices.Equal(got, want) {
			t.Errorf("raw log %q, want %q", got, want)
		}
		// Again: the preflight refuses, and nothing is sent.
		if s := r.start(o); s.Started {
			t.Errorf("%+v", s)
		}
		if s := r.start(o, func(w *Wish) { w.Despite = []string{"requested"} }); !s.Started {
			t.Errorf("%+v", s)
		}
		r.await(o, "nothing to do", next(desk.Nothing))
		for _, p := range r.fake.Paths() {
			if strings.Contains(p, "register") {
				t.Errorf("sent %s", p)
			}
		}
		if n := len(r.fake.Posts()); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// Each error and each cut leaves the right state. Only a request that was certainly not accepted is repeated.
func TestEachAnswerLeavesTheRightState(t *testing.T) {
	for name, c := range map[string]struct {
		reply *fakegraph.Reply
		state string
		next  desk.Verb
		ahead time.Duration // until the repeated request
		again bool          // it is repeated by itself
	}{
		"throttled":         {fakegraph.Failure(429, 130429, 0, "Rate limit hit"), "not_sent", desk.Wait, time.Minute + time.Second, true},
		"throttled of app":  {fakegraph.Failure(400, 4, 0, "Application request limit reached"), "not_sent", desk.Wait, time.Minute + time.Second, true},
		"throttled of waba": {fakegraph.Failure(400, 80007, 0, "Rate limit issues"), "not_sent", desk.Wait, time.Minute + time.Second, true},
		"already requested": {fakegraph.Failure(400, 2593107, 0, "Request limit exceeded"), "refused", desk.Nothing, 0, false},
		"window missed":     {fakegraph.Failure(400, 2593108, 0, "Outside of the allowed window"), "refused", desk.Person, time.Hour, false},
		"invalid":           {fakegraph.Failure(400, 100, 0, "Invalid parameter"), "refused", desk.Person, time.Hour, false},
		"500":               {fakegraph.Failure(500, 1, 0, "An unknown error"), "unknown", desk.Person, time.Hour, false},
		"502 page":          {&fakegraph.Reply{Status: 502, Body: "<html>"}, "unknown", desk.Person, time.Hour, false},
		"reset":             {&fakegraph.Reply{Status: 200, CutNow: true, Accepts: true}, "unknown", desk.Person, time.Hour, false},
		"cut headers":       {&fakegraph.Reply{Status: 200, Body: `{"request_id":"x"}`, Cut: 20, Accepts: true}, "unknown", desk.Person, time.Hour, false},
		"cut body":          {&fakegraph.Reply{Status: 200, Body: `{"request_id":"x"}`, Cut: 100, Accepts: true}, "unknown", desk.Person, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, r *rig) {
				r.fake.Next("77", "smb_app_state_sync", c.reply)
				o := r.office()
				r.run(o)
				r.start(o)
				s := r.await(o, "the outcome", func(s *Status) bool { return s.Next == c.next.String() && s.Contacts.State == c.state })
				if s.Contacts.Code != 0 && s.Contacts.Message == "" || !strings.HasSuffix(s.Sentence, ".") {
					t.Errorf("%+v", s)
				}
				forward(c.ahead)
				if c.again {
					r.await(o, "the repeated request", next(desk.Nothing))
					if n := r.accepted("smb_app_state_sync"); n != 1 {
						t.Errorf("%d accepted", n)
					}
					return
				}
				if n, _ := o.number("77"); o.due(&n) {
					t.Errorf("an hour later, something is due: %+v", n.Next(time.Now()))
				}
				if n := r.sent("smb_app_state_sync"); n != 1 {
					t.Errorf("%d requests of contacts", n)
				}
			})
		})
	}
}
