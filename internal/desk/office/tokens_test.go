package office

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas/provider"
)

func TestARefusedTokenIsTriedAgainOnceItIsReplaced(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		r.fake.Next("77", "smb_app_state_sync", fakegraph.Failure(401, 190, 0, "Malformed access token "+canary))
		o := r.office()
		r.run(o)
		r.start(o)
		s := r.await(o, "the refusal", func(s *Status) bool { return s.Contacts.Outcome == desk.OutcomeDenied })
		if strings.Contains(s.Contacts.Message, canary[:8]) {
			t.Errorf("the token in %q", s.Contacts.Message)
		}
		forward(time.Minute)
		r.await(o, "the reason", func(s *Status) bool { return strings.Contains(s.Reason, "still the same") })
		if n := len(r.fake.Posts()); n != 1 {
			t.Fatalf("%d requests with the refused token", n)
		}
		r.token(canary + "New")
		forward(time.Minute)
		r.await(o, "both requests", next(desk.Nothing))
	})
}

func TestAMissingTokenIsANoteAndNoRequest(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		o := r.office()
		r.run(o)
		if err := os.Remove(filepath.Join(r.tokens, "meta", "9")); err != nil {
			t.Fatal(err)
		}
		if s := r.start(o); s.Started {
			t.Fatal("the preflight passes without a token")
		}
		r.start(o, func(w *Wish) { w.Despite = []string{"number", "waba", "subscription"} })
		r.await(o, "the note", func(s *Status) bool { return strings.Contains(s.Reason, "there is no token") })
		r.token(canary)
		forward(noteFor + time.Second)
		r.await(o, "both requests", next(desk.Nothing))
	})
}

func TestNoTokenIsInLogsAndEntries(t *testing.T) {
	virtual(t, func(t *testing.T, r *rig) {
		r.fake.SetTokens("another")
		o := r.office()
		r.run(o)
		r.start(o, func(w *Wish) { w.Despite = []string{"number", "waba", "subscription", "fields"} })
		r.await(o, "the refusal", func(s *Status) bool { return s.Contacts.Outcome == desk.OutcomeDenied })
		forward(time.Minute)
		r.await(o, "the note", func(s *Status) bool { return s.Reason != "" })
		s, _ := o.Status("77")
		status, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{r.text.String(), string(status)}
		r.log.mu.Lock()
		for _, e := range r.log.entries {
			texts = append(texts, string(e))
		}
		for _, rec := range r.log.raw {
			texts = append(texts, string(rec.Append(nil)))
		}
		r.log.mu.Unlock()
		for _, text := range texts {
			if strings.Contains(text, canary[:8]) {
				t.Errorf("the token in %s", text)
			}
		}
		if len(texts) < 5 {
			t.Errorf("%d texts", len(texts))
		}
	})
}

func TestTokensComeFromFilesThenFromTheCommand(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"meta/9": canary + "\n", "meta/10": "", "meta/11": "two words", "360dialog/77": "key"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := graph.NewToken(canary)
	fromFiles := &Tokens{Dir: dir}
	if got, err := fromFiles.Of(t.Context(), provider.Default(), "9", "77"); err != nil || !got.Same(want) {
		t.Errorf("%v", err)
	}
	if _, err := fromFiles.Of(t.Context(), provider.Syncing()[1], "9", "77"); err != nil {
		t.Errorf("%v", err)
	}
	for _, id := range []string{"10", "11", "12", "../9", ""} {
		if _, err := fromFiles.Of(t.Context(), provider.Default(), id, "77"); !errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), "two words") {
			t.Errorf("%s: %v", id, err)
		}
	}
	command := &Tokens{Dir: dir, Command: []string{"sh", "-c", "echo " + canary + "$0 ", "{waba_id}"}}
	want, _ = graph.NewToken(canary + "12")
	if got, err := command.Of(t.Context(), provider.Default(), "12", "77"); err != nil || !got.Same(want) {
		t.Errorf("%v", err)
	}
	failing := &Tokens{Command: []string{"sh", "-c", "echo " + canary + "; echo " + canary + " >&2; exit 3"}}
	if _, err := failing.Of(t.Context(), provider.Default(), "12", "77"); !errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
}
