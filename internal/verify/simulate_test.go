package verify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/internal/verify/truth"
)

// receiver is an ingress that keeps what it answered with 200, and fails now and then.
type receiver struct {
	t       *testing.T
	secrets map[string]string // path → secret
	mu      sync.Mutex
	rng     *rand.Rand
	fail    float64
	mute    float64 // share of the kept whose answer is lost
	down    bool
	kept    map[truth.Digest]int // with a 200
	unheard int                  // of them: nobody got that 200
	dropped map[truth.Digest]int // without
	order   []truth.Digest
	paths   map[string]int
}

func newReceiver(t *testing.T, fail float64) *receiver {
	return &receiver{
		t: t, fail: fail, rng: rand.New(rand.NewPCG(1, 2)), secrets: map[string]string{"/meta": "s1", "/dialog": "s2", "/ycloud": "s3"},
		kept: map[truth.Digest]int{}, dropped: map[truth.Digest]int{}, paths: map[string]int{},
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	mac := hmac.New(sha256.New, []byte(r.secrets[req.URL.Path]))
	stamp, digits, _ := strings.Cut(strings.TrimPrefix(req.Header.Get("YCloud-Signature"), "t="), ",s=")
	if req.URL.Path == "/ycloud" {
		if _, err := strconv.ParseInt(stamp, 10, 64); err != nil {
			r.t.Errorf("the time of YCloud's signature is %q", stamp)
		}
		mac.Write([]byte(stamp + "."))
	}
	mac.Write(body)
	want := hex.EncodeToString(mac.Sum(nil))
	got := strings.TrimPrefix(req.Header.Get("X-Hub-Signature-256"), "sha256=")
	switch req.URL.Path {
	case "/dialog":
		got = req.Header.Get("X-360dialog-Signature")
	case "/ycloud":
		got = digits
	}
	if got != want {
		r.t.Errorf("%s: the signature is %q instead of %q", req.URL.Path, got, want)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := truth.Sum(body)
	r.paths[req.URL.Path]++
	switch x := r.rng.Float64(); {
	case r.down || x < r.fail/2:
		r.dropped[d]++
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	case x < r.fail:
		r.dropped[d]++
		conn, _, err := w.(http.Hijacker).Hijack() // cut in the middle
		if err != nil {
			r.t.Error(err)
			return
		}
		conn.Close()
	default:
		r.kept[d]++
		r.order = append(r.order, d)
		if r.rng.Float64() < r.mute {
			r.unheard++
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusOK)
	}
}

func simulateConfig(t *testing.T, url string) SimulateConfig {
	c := DefaultSimulateConfig()
	c.URL, c.Secret, c.DialogURL, c.DialogSecret = url+"/meta", "s1", url+"/dialog", "s2"
	c.YCloudURL, c.YCloudSecret, c.World.YCloud = url+"/ycloud", "s3", 0.3
	c.TruthFile = filepath.Join(t.TempDir(), "truth.jsonl")
	c.Concurrency, c.Timeout = 8, 10*time.Second
	c.World.Seed, c.World.Businesses, c.World.Messages, c.World.Live, c.World.Contacts = 5, 5, 2000, 200, 100
	c.World.Dialog, c.World.Reonboard, c.World.ChunkBytesMax = 0.4, 0.5, 40_000
	c.World.LeaveAfter = 0
	c.World.Start = time.Now().Truncate(time.Second)
	return c
}

type ledger struct {
	bodies map[int]truth.Body
	acked  map[int]bool
	sent   []truth.Sent
	end    *truth.End
}

func readLedger(t *testing.T, file string) ledger {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l := ledger{bodies: map[int]truth.Body{}, acked: map[int]bool{}}
	err = truth.Read(bytes.NewReader(b), func(_ int, line *truth.Line) error {
		switch {
		case line.Body != nil:
			l.bodies[line.Body.Index] = *line.Body
		case line.Sent != nil:
			if _, told := l.bodies[line.Sent.Body]; !told {
				t.Errorf("body %d was sent before it was told", line.Sent.Body)
			}
			l.acked[line.Sent.Body] = l.acked[line.Sent.Body] || line.Sent.Acked
			l.sent = append(l.sent, *line.Sent)
		case line.End != nil:
			l.end = line.End
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// simulateTo plays a whole run against a receiver, and reads its truth.
func simulateTo(t *testing.T, r *receiver) (SimulateReport, ledger) {
	t.Helper()
	srv := httptest.NewServer(r)
	defer srv.Close()
	cfg := simulateConfig(t, srv.URL)
	rep, err := Simulate(t.Context(), cfg, Silent())
	if err != nil {
		t.Fatal(err)
	}
	return rep, readLedger(t, cfg.TruthFile)
}

func TestTheTruthIsWhatTheReceiverKept(t *testing.T) {
	for _, fail := range []float64{0, 0.3} {
		r := newReceiver(t, fail)
		rep, l := simulateTo(t, r)
		if rep.Unacked != 0 || rep.Skipped != 0 || rep.Deliveries != rep.Acked || rep.Deliveries != len(l.sent) || l.end == nil {
			t.Fatalf("fail %v: %+v", fail, rep)
		}
		if (rep.Retries > 0) != (fail > 0) {
			t.Fatalf("fail %v: %d retries", fail, rep.Retries)
		}
		if len(l.bodies) != len(r.kept) || rep.Bodies != len(r.kept) {
			t.Fatalf("%d bodies told, %d kept", len(l.bodies), len(r.kept))
		}
		again := 0
		for _, b := range l.bodies {
			if r.kept[b.Hash] == 0 {
				t.Fatalf("body %d was not kept as it was told", b.Index)
			}
			again += r.kept[b.Hash] - 1
		}
		if again == 0 || r.paths["/dialog"] == 0 || r.paths["/ycloud"] == 0 || r.paths["/meta"] == 0 {
			t.Fatalf("%d redeliveries, paths %v", again, r.paths)
		}
	}
}

// A sender without a 200 sends again until it gets one: the receiver has the body twice, and owes it once.
func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	r := newReceiver(t, 0)
	r.mute = 0.3
	rep, l := simulateTo(t, r)
	kept := 0
	for _, n := range r.kept {
		kept += n
	}
	if r.unheard == 0 || rep.Retries != r.unheard || rep.Acked != kept-r.unheard || rep.Unacked != 0 || rep.Acked != rep.Deliveries {
		t.Fatalf("%d kept, %d of them unheard: %+v", kept, r.unheard, rep)
	}
	attempts := 0
	for _, s := range l.sent {
		if !s.Acked {
			t.Errorf("body %d was given up", s.Body)
		}
		attempts += s.Attempts
	}
	if attempts != kept {
		t.Errorf("%d attempts told, %d received", attempts, kept)
	}
}

// A sender without a 200 tries again for a while, and then the truth says that nothing is owed.
func TestWhatIsNeverAcknowledgedIsNotOwed(t *testing.T) {
	r := newReceiver(t, 0)
	r.down = true
	srv := httptest.NewServer(r)
	defer srv.Close()
	cfg := simulateConfig(t, srv.URL)
	cfg.World.Businesses, cfg.World.Messages, cfg.World.Live, cfg.World.Broken, cfg.World.Contacts = 2, 100, 10, 2, 10
	cfg.RetryFor = 20 * time.Millisecond
	rep, err := Simulate(t.Context(), cfg, Silent())
	if err != nil {
		t.Fatal(err)
	}
	l := readLedger(t, cfg.TruthFile)
	if rep.Acked != 0 || rep.Unacked == 0 || rep.Statuses[503] != rep.Unacked || !strings.Contains(rep.LastError, "503") {
		t.Fatalf("%+v", rep)
	}
	for i, acked := range l.acked {
		if acked {
			t.Fatalf("body %d is owed", i)
		}
	}
	if l.end == nil || l.end.Unacked != rep.Unacked || l.end.Skipped != rep.Skipped {
		t.Fatalf("%+v, %+v", l.end, rep)
	}
}

// A receiver that is killed and started again finds its sender patient.
func TestARestartedReceiverMissesNothing(t *testing.T) {
	ln, err := freeport.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	r := newReceiver(t, 0)
	busy := newHolding(r, 50) // the sender waits for answers when it is cut off, on a slow machine too
	first := &http.Server{Handler: busy}
	go func() { _ = first.Serve(ln) }()
	cfg := simulateConfig(t, "http://"+addr)
	cfg.Rate = 2000
	done := make(chan error, 1)
	var rep SimulateReport
	go func() {
		var err error
		rep, err = Simulate(t.Context(), cfg, Silent())
		done <- err
	}()
	select {
	case <-busy.reached:
	case err := <-done:
		t.Fatalf("it was over too soon: %v", err)
	}
	first.Close() // connections are cut wherever they are
	close(busy.release)
	ln, err = net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	second := &http.Server{Handler: r}
	defer second.Close()
	go func() { _ = second.Serve(ln) }()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if rep.Unacked != 0 || rep.Retries == 0 {
		t.Fatalf("%+v", rep)
	}
	for _, b := range readLedger(t, cfg.TruthFile).bodies {
		if r.kept[b.Hash] == 0 {
			t.Fatalf("body %d is missing", b.Index)
		}
	}
}

// holding passes on requests, and keeps those from a number on until release is closed.
type holding struct {
	http.Handler
	from             int64
	arrived          atomic.Int64
	reached, release chan struct{}
}

func newHolding(h http.Handler, from int64) *holding {
	return &holding{Handler: h, from: from, reached: make(chan struct{}), release: make(chan struct{})}
}

func (h *holding) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if n := h.arrived.Add(1); n >= h.from {
		if n == h.from {
			close(h.reached)
		}
		<-h.release
	}
	h.Handler.ServeHTTP(w, req)
}

func TestAStoppedRunLeavesATruth(t *testing.T) {
	busy := newHolding(newReceiver(t, 0), 30)
	srv := httptest.NewServer(busy)
	defer srv.Close()
	cfg := simulateConfig(t, srv.URL)
	cfg.Rate = 1000
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := Simulate(ctx, cfg, Silent()); done <- err }()
	select {
	case <-busy.reached:
	case err := <-done:
		t.Fatalf("it was over too soon: %v", err)
	}
	cancel()
	close(busy.release) // requests in flight are finished
	if err := <-done; err == nil {
		t.Fatal("a stopped run said nothing")
	}
	l := readLedger(t, cfg.TruthFile)
	if l.end != nil || len(l.bodies) < 15 {
		t.Fatalf("%d bodies, end %v", len(l.bodies), l.end)
	}
}

// The steps of a business follow each other; those of several businesses run in parallel.
func TestAStepBeginsWhenTheOneBeforeHasEnded(t *testing.T) {
	r := newReceiver(t, 0.1)
	srv := httptest.NewServer(r)
	defer srv.Close()
	cfg := simulateConfig(t, srv.URL)
	cfg.Concurrency, cfg.World.Reonboard = 32, 1
	if _, err := Simulate(t.Context(), cfg, Silent()); err != nil {
		t.Fatal(err)
	}
	l := readLedger(t, cfg.TruthFile)
	last := map[truth.Digest]int{}
	first := map[truth.Digest]int{}
	for i, d := range r.order {
		last[d] = i
		if _, seen := first[d]; !seen {
			first[d] = i
		}
	}
	ends, begins := map[int]int{}, map[int]int{}
	for _, b := range l.bodies {
		for _, p := range b.Parts {
			if p.Kind != truth.KindChunk {
				continue
			}
			if p.Window == 1 {
				ends[p.Number] = max(ends[p.Number], last[b.Hash])
			} else if at, known := begins[p.Number]; !known || first[b.Hash] < at {
				begins[p.Number] = first[b.Hash]
			}
		}
	}
	if len(begins) < 3 {
		t.Fatalf("%d numbers came back", len(begins))
	}
	for n, at := range begins {
		if at < ends[n] {
			t.Errorf("number %d: its second onboarding began at %d, the first ended at %d", n, at, ends[n])
		}
	}
}

func TestAConfigurationIsRefusedByName(t *testing.T) {
	for key, change := range map[string]func(*SimulateConfig){
		"url":           func(c *SimulateConfig) { c.URL = "ftp://x" },
		"provider":      func(c *SimulateConfig) { c.Provider = "whatsapp" },
		"secret":        func(c *SimulateConfig) { c.Secret = "" },
		"dialog_secret": func(c *SimulateConfig) { c.DialogSecret = "" },
		"concurrency":   func(c *SimulateConfig) { c.Concurrency = 0 },
		"rate":          func(c *SimulateConfig) { c.Rate = -1 },
		"dialog":        func(c *SimulateConfig) { c.DialogURL = "" },
		"ycloud_url":    func(c *SimulateConfig) { c.YCloudURL = "ftp://x" },
		"ycloud_secret": func(c *SimulateConfig) { c.YCloudSecret = "" },
		"ycloud":        func(c *SimulateConfig) { c.YCloudURL = "" },
		"businesses":    func(c *SimulateConfig) { c.World.Businesses = 0 },
	} {
		c := simulateConfig(t, "http://127.0.0.1:1")
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	good := simulateConfig(t, "http://127.0.0.1:1")
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

// An ingress whose certificate is of an authority that this machine does not know is trusted when told to be.
func TestSimulateTrustsTheAuthorityThatItIsGiven(t *testing.T) {
	r := newReceiver(t, 0)
	srv := httptest.NewTLSServer(r)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer srv.Close()
	c := simulateConfig(t, srv.URL)
	c.World.Businesses, c.World.Messages, c.World.Live, c.World.Contacts, c.RetryFor = 1, 20, 5, 5, 20*time.Second
	c.Roots = x509.NewCertPool()
	c.Roots.AddCert(srv.Certificate())
	report, err := Simulate(t.Context(), c, Silent())
	if err != nil || report.Unacked > 0 || len(r.kept) == 0 {
		t.Errorf("with the authority: %+v, %v", report, err)
	}
	taken := len(r.kept)
	c.Roots, c.RetryFor = x509.NewCertPool(), time.Millisecond
	report, err = Simulate(t.Context(), c, Silent())
	if err != nil || report.Unacked == 0 || len(r.kept) != taken {
		t.Errorf("without: %+v, %v", report, err)
	}
}
