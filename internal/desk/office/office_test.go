package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/desk"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

const (
	canary       = "EAAcanaryOfAWABAzyxwvu"
	unknownAfter = 3 * time.Minute
)

// memory is a Log in memory that several offices can share.
type memory struct {
	mu       sync.Mutex
	entries  [][]byte
	raw      []syncrequest.Record
	failures map[string]int // of the next calls: write, lost (written, and an error), late (an error, and written), hidden, raw
	late     [][]byte       // entries that come before the next one
	hidden   int            // entries at the end that the next read does not have yet
	reads    int
	writes   int
	onWrite  func(desk.Entry)
}

func (m *memory) fail(kind string) bool {
	if m.failures[kind] > 0 {
		m.failures[kind]--
		return true
	}
	return false
}

func (m *memory) Write(_ context.Context, b []byte) error {
	e, err := desk.DecodeEntry(b)
	if err != nil {
		return err
	}
	if m.onWrite != nil {
		m.onWrite(e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail("write") {
		return errors.New("the broker is away")
	}
	m.entries, m.late = append(m.entries, m.late...), nil
	if m.fail("late") {
		m.late = append(m.late, slices.Clone(b))
		return errors.New("no acknowledgement")
	}
	m.entries = append(m.entries, slices.Clone(b))
	if m.fail("hidden") {
		m.hidden = 1
	}
	if m.fail("lost") {
		return errors.New("no acknowledgement")
	}
	return nil
}

func (m *memory) Read(_ context.Context, from int64) ([][]byte, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	end := int64(len(m.entries) - m.hidden)
	m.hidden = 0
	return slices.Clone(m.entries[from:end]), end, nil
}

func (m *memory) Raw(_ context.Context, r syncrequest.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail("raw") {
		return errors.New("the raw log is away")
	}
	m.raw = append(m.raw, r)
	return nil
}

func (m *memory) readsNow() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

func (m *memory) records() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, r := range m.raw {
		list = append(list, string(r.SyncType)+" "+string(r.State))
	}
	return list
}

// rig is an office with a fake Graph server.
type rig struct {
	t      *testing.T
	fake   *fakegraph.Server
	log    *memory
	tokens string
	mu     sync.Mutex
	ahead  time.Duration // of the clock
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

func newRig(t *testing.T) *rig {
	r := &rig{t: t, fake: fakegraph.New(), log: &memory{failures: map[string]int{}}, tokens: t.TempDir(), text: &safeText{}}
	t.Cleanup(r.fake.Close)
	r.fake.Add(fakegraph.Number{ID: "77", WABA: "9", OnBizApp: true})
	r.token(canary)
	return r
}

func (r *rig) token(value string) {
	r.t.Helper()
	dir := filepath.Join(r.tokens, "meta")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "9"), []byte(value+"\n"), 0o600)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

func (r *rig) forward(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}

func (r *rig) office() *Office {
	r.t.Helper()
	client, err := graph.New(graph.Config{Provider: provider.Default(), Address: r.fake.URL, Timeout: 5 * time.Second, Now: r.now})
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := New(Deps{
		Log: r.log, Clients: map[string]*graph.Client{"meta": client}, Tokens: &Tokens{Dir: r.tokens}, UnknownAfter: unknownAfter,
		Probe:      Probe{AppID: "555", AppToken: func() string { return "555|" + canary }},
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(r.text, nil)), Now: r.now,
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
	at := r.now().Add(-time.Minute)
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

func (r *rig) await(o *Office, what string, ok func(*Status) bool) *Status {
	r.t.Helper()
	limit := time.Now().Add(3 * time.Minute)
	for {
		s, found := o.Status("77")
		if found && ok(s) {
			return s
		}
		if time.Now().After(limit) {
			r.t.Fatalf("waited for %s: %+v\n%s", what, s, r.text)
		}
		time.Sleep(5 * time.Millisecond)
	}
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

func TestAStartRequestsContactsThenHistoryAndWritesBothDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
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
}

// Each error and each cut leaves the right state. Only a request that was certainly not accepted is repeated.
func TestEachAnswerLeavesTheRightState(t *testing.T) {
	t.Parallel()
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
			t.Parallel()
			r := newRig(t)
			r.fake.Next("77", "smb_app_state_sync", c.reply)
			o := r.office()
			r.run(o)
			r.start(o)
			s := r.await(o, "the outcome", func(s *Status) bool { return s.Next == c.next.String() && s.Contacts.State == c.state })
			if s.Contacts.Code != 0 && s.Contacts.Message == "" || !strings.HasSuffix(s.Sentence, ".") {
				t.Errorf("%+v", s)
			}
			r.forward(c.ahead)
			if c.again {
				r.await(o, "the repeated request", next(desk.Nothing))
				if n := r.accepted("smb_app_state_sync"); n != 1 {
					t.Errorf("%d accepted", n)
				}
				return
			}
			if n, _ := o.number("77"); o.due(&n) {
				t.Errorf("an hour later, something is due: %+v", n.Next(r.now()))
			}
			contacts := 0
			for _, p := range r.fake.Posts() {
				if p.Type == "smb_app_state_sync" {
					contacts++
				}
			}
			if contacts != 1 {
				t.Errorf("%d requests of contacts", contacts)
			}
		})
	}
}

func TestARefusedTokenIsTriedAgainOnceItIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fake.Next("77", "smb_app_state_sync", fakegraph.Failure(401, 190, 0, "Malformed access token "+canary))
	o := r.office()
	r.run(o)
	r.start(o)
	s := r.await(o, "the refusal", func(s *Status) bool { return s.Contacts.Outcome == desk.OutcomeDenied })
	if strings.Contains(s.Contacts.Message, canary[:8]) {
		t.Errorf("the token in %q", s.Contacts.Message)
	}
	r.forward(time.Minute)
	r.await(o, "the reason", func(s *Status) bool { return strings.Contains(s.Reason, "still the same") })
	if n := len(r.fake.Posts()); n != 1 {
		t.Fatalf("%d requests with the refused token", n)
	}
	r.token(canary + "New")
	r.forward(time.Minute)
	r.await(o, "both requests", next(desk.Nothing))
}

func TestAMissingTokenIsANoteAndNoRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
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
	r.forward(noteFor + time.Second)
	r.await(o, "both requests", next(desk.Nothing))
}

// Four offices share one log. Each type is requested once.
func TestOfSeveralDesksOneRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
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
}

// A process that ends between the intent and the outcome leaves an unknown outcome for all others.
func TestAnAbandonedIntentBecomesUnknownForTheNextProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dead := r.office()
	r.start(dead)
	n, _ := dead.number("77")
	intent := stepOf(&n, syncrequest.Contacts, "dead", "cli", syncrequest.Intended, r.now(), graph.Outcome{}, 0)
	if counts, err := dead.commit(t.Context(), &intent, n.Last); err != nil || !counts {
		t.Fatal(counts, err)
	}
	o := r.office()
	r.run(o)
	r.await(o, "the wait", next(desk.Wait))
	r.forward(unknownAfter)
	s := r.await(o, "the decision", next(desk.Person))
	if s.Contacts.State != "unknown" || len(r.fake.Posts()) != 0 {
		t.Errorf("%+v %+v", s.Contacts, r.fake.Posts())
	}
	// The steps of the dead process reach the raw log.
	r.forward(copyAfter)
	limit := time.Now().Add(3 * time.Minute)
	for !slices.Equal(r.log.records(), []string{"contacts intended", "contacts unknown"}) && time.Now().Before(limit) {
		time.Sleep(5 * time.Millisecond)
	}
	got := r.log.records()
	slices.Sort(got)
	if !slices.Equal(slices.Compact(got), []string{"contacts intended", "contacts unknown"}) {
		t.Errorf("raw log %q", got)
	}
	r.start(o, func(w *Wish) { w.AskAgain = "no webhook came" })
	r.await(o, "both requests", next(desk.Nothing))
}

func TestASignupWithoutANumberIsLookedUpAndSeveralAreAskedAbout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.office()
	r.run(o)
	server := serve(r, o)
	signup := `{"type":"WA_EMBEDDED_SIGNUP","event":"FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING","version":3,"data":{"waba_id":"9"}}`
	r.fake.Add(fakegraph.Number{ID: "78", WABA: "9", OnBizApp: true})
	status, body := ask(t, server, "POST", "/v1/signups", signup, "starter-starter-1")
	if status != 409 || !strings.Contains(body, `"several_numbers"`) || !strings.Contains(body, `"78"`) {
		t.Errorf("%d %s", status, body)
	}
	r.fake.Change("78", func(n *fakegraph.Number) { n.WABA = "10" })
	if status, body = ask(t, server, "POST", "/v1/signups", signup, "starter-starter-1"); status != 202 || !strings.Contains(body, `"phone_number_id":"77"`) {
		t.Fatalf("%d %s", status, body)
	}
	s := r.await(o, "both requests", next(desk.Nothing))
	if s.OnboardedAt == nil || s.Contacts.RequestedBy != "starter" {
		t.Errorf("%+v", s)
	}
	for _, bad := range []string{
		`{"event":"FINISH","data":{"waba_id":"9"}}`, `{"event":"FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING","data":{}}`, `[]`, `{} {}`,
	} {
		if status, body = ask(t, server, "POST", "/v1/signups", bad, "starter-starter-1"); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	if n := len(r.fake.Posts()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func serve(r *rig, o *Office) *httptest.Server {
	mux := http.NewServeMux()
	clients := map[string][]Scope{"reader-reader-12": {Read}, "starter-starter-1": {Start, Read}}
	for pattern, h := range o.Routes(func(req *http.Request, s Scope) (string, bool) {
		token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		scopes, ok := clients[token]
		if !ok {
			return "", false
		}
		return token[:strings.IndexByte(token, '-')], Has(scopes, s)
	}) {
		mux.Handle(pattern, h)
	}
	server := httptest.NewServer(mux)
	r.t.Cleanup(server.Close)
	return server
}

func ask(t *testing.T, s *httptest.Server, method, path, body, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	if _, err := fmt.Fprint(&b, readAll(resp)); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

func readAll(resp *http.Response) string {
	var v json.RawMessage
	if json.NewDecoder(resp.Body).Decode(&v) != nil {
		return ""
	}
	return string(v)
}

func TestScopesLimitWhatATokenMayDo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.office()
	server := serve(r, o)
	wish := `{"phone_number_id":"77","waba_id":"9"}`
	for _, c := range []struct {
		method, path, body, token string
		want                      int
	}{
		{"GET", "/v1/syncs", "", "", 401}, {"GET", "/v1/syncs", "", "nobody", 401}, {"GET", "/v1/syncs", "", "reader-reader-12", 200},
		{"POST", "/v1/syncs/start", wish, "", 401}, {"POST", "/v1/syncs/start", wish, "reader-reader-12", 403},
		{"POST", "/v1/signups", wish, "reader-reader-12", 403}, {"POST", "/v1/syncs/plan", wish, "reader-reader-12", 200},
		{"POST", "/v1/syncs/start", `{"phone_number_id":"77","waba":"9"}`, "starter-starter-1", 400},
		{"POST", "/v1/syncs/start", `{"phone_number_id":"77/../x","waba_id":"9"}`, "starter-starter-1", 400},
		{"POST", "/v1/syncs/start", `{"phone_number_id":"77"}`, "starter-starter-1", 400},
		{"POST", "/v1/syncs/start", `{"phone_number_id":"77","waba_id":"9","types":["messages"]}`, "starter-starter-1", 400},
		{"GET", "/v1/syncs/77", "", "reader-reader-12", 404}, {"GET", "/v1/openapi.json", "", "reader-reader-12", 200},
		{"POST", "/v1/syncs/start", wish, "starter-starter-1", 202}, {"GET", "/v1/syncs/77", "", "reader-reader-12", 200},
	} {
		if status, body := ask(t, server, c.method, c.path, c.body, c.token); status != c.want {
			t.Errorf("%s %s with %q: %d, want %d: %s", c.method, c.path, c.token, status, c.want, body)
		} else if strings.Contains(body, canary[:8]) {
			t.Errorf("%s gives the token away: %s", c.path, body)
		}
	}
}

func TestThePreflightOfTheProviderIsSeenInThePlan(t *testing.T) {
	t.Parallel()
	r := newRig(t)
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
}

func TestNoTokenIsInLogsAndEntries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fake.SetTokens("another")
	o := r.office()
	r.run(o)
	r.start(o, func(w *Wish) { w.Despite = []string{"number", "waba", "subscription", "fields"} })
	r.await(o, "the refusal", func(s *Status) bool { return s.Contacts.Outcome == desk.OutcomeDenied })
	r.forward(time.Minute)
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
