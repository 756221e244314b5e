package office

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas/provider"
)

const (
	canary       = "EAAcanaryOfAWABAzyxwvu"
	unknownAfter = 3 * time.Minute
)

// rig is an office with a fake Graph server.
type rig struct {
	t      *testing.T
	fake   *fakegraph.Server
	log    *memory
	tokens string
	text   *safeText
}

type safeText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRig(t *testing.T, fake *fakegraph.Server) *rig {
	r := &rig{t: t, fake: fake, log: &memory{failures: map[string]int{}}, tokens: t.TempDir(), text: &safeText{}}
	r.fake.Add(fakegraph.Number{ID: "77", WABA: "9", OnBizApp: true})
	r.token(canary)
	return r
}

// virtual runs a test in virtual time. The fake server stays outside of it: virtual time stands still until a request has its answer.
func virtual(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	fake := fakegraph.New()
	t.Cleanup(fake.Close)
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t, fake)) })
}

func (r *rig) token(value string) {
	r.t.Helper()
	dir := filepath.Join(r.tokens, "meta")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "9"), []byte(value+"\n"), 0o600)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) office() *Office {
	r.t.Helper()
	client, err := graph.New(graph.Config{Provider: provider.Default(), Address: r.fake.URL, Timeout: 5 * time.Second, Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := New(Deps{
		Log: r.log, Clients: map[string]*graph.Client{"meta": client}, Tokens: &Tokens{Dir: r.tokens}, UnknownAfter: unknownAfter,
		Probe:      Probe{AppID: "555", AppToken: func() string { return "555|" + canary }},
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(r.text, nil)), Now: time.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

// run lets an office work until the test or the returned function ends it.
func (r *rig) run(o *Office) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := o.Run(ctx); err != nil {
			r.t.Errorf("run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) start(o *Office, change ...func(*Wish)) *Started {
	r.t.Helper()
	at := time.Now().Add(-time.Minute)
	w := Wish{PhoneNumberID: "77", WABAID: "9", OnboardedAt: &at}
	for _, c := range change {
		c(&w)
	}
	s, err := o.Start(r.t.Context(), w, "cli")
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// await lets virtual time pass until the status is as expected.
func (r *rig) await(o *Office, expected string, ok func(*Status) bool) *Status {
	r.t.Helper()
	var s *Status
	for begin := time.Now(); time.Since(begin) < unknownAfter+time.Minute; forward(tick / 2) {
		synctest.Wait()
		var found bool
		if s, found = o.Status("77"); found && ok(s) {
			return s
		}
	}
	r.t.Fatalf("waited for %s: %+v\n%s", expected, s, r.text)
	return nil
}

// forward lets virtual time pass, and the office finish its work.
func forward(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func next(verb desk.Verb) func(*Status) bool {
	return func(s *Status) bool { return s.Next == verb.String() }
}

func (r *rig) sent(syncType string) (n int) {
	for _, p := range r.fake.Posts() {
		if p.Type == syncType {
			n++
		}
	}
	return n
}

func (r *rig) accepted(syncType string) (n int) {
	for _, p := range r.fake.Posts() {
		if p.Accepted && p.Type == syncType {
			n++
		}
	}
	return n
}
