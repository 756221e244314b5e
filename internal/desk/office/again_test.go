package office

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Contacts were accepted, and the history is unknown: another attempt without a type is for the history alone.
func TestAskingAgainSparesATypeThatTheProviderAccepted(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		r.run(o)
		r.fake.Next("77", "history", fakegraph.Failure(500, 2, 0, "later"))
		r.start(o)
		r.await(o, "the decision", next(desk.Person))
		again := func(w *Wish) { w.AskAgain = "no webhook came" }
		if s := r.start(o, again); !slices.Equal(s.Types, []syncrequest.SyncType{syncrequest.History}) {
			t.Errorf("types %q", s.Types)
		}
		s := r.await(o, "the history", next(desk.Nothing))
		if c, h := r.sent("smb_app_state_sync"), r.sent("history"); c != 1 || h != 2 || s.Contacts.Attempts != 1 || s.Contacts.State != "accepted" {
			t.Errorf("%d and %d requests, %+v", c, h, s.Contacts)
		}
		// Both were accepted now. Only a named type is requested once more.
		w := Wish{PhoneNumberID: "77", AskAgain: "no webhook came"}
		if _, err := o.Start(t.Context(), w, "cli"); err == nil || !strings.Contains(err.Error(), "--only") {
			t.Errorf("asked again for types that were accepted: %v", err)
		}
		w.Types = []syncrequest.SyncType{syncrequest.Contacts}
		if s, err := o.Start(t.Context(), w, "cli"); err != nil || !s.Started {
			t.Errorf("%+v %v", s, err)
		}
		r.await(o, "the named type", func(*Status) bool { return r.sent("smb_app_state_sync") == 2 })
	})
}

// The event of a signup, or a start, comes twice. The time of the onboarding shows the repetition.
func TestANewOnboardingNeedsItsTime(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		r.run(o)
		r.start(o)
		r.await(o, "both requests", next(desk.Nothing))
		signup := Signup{Event: SignupEvent, NewOnboarding: true}
		signup.Data.WABAID = "9"
		if w, err := signup.Wish(time.Now()); err == nil {
			t.Errorf("a signup without its time is %+v", w)
		}
		if _, err := o.Start(t.Context(), Wish{PhoneNumberID: "77", NewOnboarding: true}, "cli"); err == nil || !strings.Contains(err.Error(), "onboarded_at") {
			t.Errorf("a start without the time: %v", err)
		}
		forward(time.Hour)
		anew := func(w *Wish) {
			at := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
			w.NewOnboarding, w.OnboardedAt = true, &at
		}
		if s := r.start(o, anew); !s.Started {
			t.Fatalf("%+v", s)
		}
		twice := func() bool { return r.sent("smb_app_state_sync") == 2 && r.sent("history") == 2 }
		r.await(o, "the requests of the new onboarding", func(s *Status) bool { return twice() && s.Next == desk.Nothing.String() })
		if s := r.start(o, anew); s.Started || s.Passes {
			t.Errorf("a repeated start of the new onboarding: %+v", s)
		}
		r.start(o, anew, func(w *Wish) { w.Despite = []string{"requested"} })
		r.await(o, "nothing to do", next(desk.Nothing))
		if !twice() {
			t.Errorf("requests: %+v", r.fake.Posts())
		}
	})
}
