package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var small = []Kind{{Echo, 1 << 10, 3}, {Contacts, 10 << 10, 1}}

const testSecret = "a secret that is longer than the sixty-four bytes of a block of SHA-256, to be hashed first"

// recording is a server that records requests, and answers as configured.
type recording struct {
	mu     sync.Mutex
	bodies [][]byte
	forged int
	answer func(n int, w http.ResponseWriter)
}

func (s *recording) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write(body)
	s.mu.Lock()
	if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		s.forged++
	}
	s.bodies = append(s.bodies, body)
	n := len(s.bodies)
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(n, w)
	}
}

func run(t *testing.T, s *recording, change func(*Spec)) Report {
	t.Helper()
	web := httptest.NewServer(s)
	defer web.Close()
	spec := Spec{URL: web.URL + "/hooks", Secret: testSecret, Connections: 4, Duration: 200 * time.Millisecond, Timeout: 10 * time.Second, Run: 7, Mix: small}
	if change != nil {
		change(&spec)
	}
	r, err := Run(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryBodyIsSignedWholeAndDifferent(t *testing.T) {
	s := &recording{}
	r := run(t, s, func(spec *Spec) { spec.Mix = append(spec.Mix, Kind{History, 200_000, 1}) })
	ts, err := NewTemplates(append(small[:2:2], Kind{History, 200_000, 1}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Acked == 0 || r.Acked != r.Requests || int(r.Requests) != len(s.bodies) || r.Error != "" {
		t.Fatalf("%d sent, %d acknowledged, %d came in, error %q", r.Requests, r.Acked, len(s.bodies), r.Error)
	}
	if s.forged > 0 {
		t.Errorf("%d signatures are wrong", s.forged)
	}
	seen, lengths := map[Identity]bool{}, map[int]int{}
	for _, b := range s.bodies {
		id, at, ok := FindIdentity(b)
		if !ok || id.Run != 7 || !ts.Same(b, id, at) || seen[id] {
			t.Fatalf("a body has identity %+v (found: %t, seen before: %t) and is not what was to be sent", id, ok, seen[id])
		}
		seen[id] = true
		lengths[len(b)]++
		if !json.Valid(b) {
			t.Fatalf("a body is not JSON: %.300s", b)
		}
	}
	if len(lengths) != 3 || lengths[1<<10] < lengths[10<<10] {
		t.Errorf("lengths of bodies: %v", lengths)
	}
	if r.Latency.Count != r.Acked || r.Kinds["echo 1024"].Count != int64(lengths[1<<10]) {
		t.Errorf("%d latencies of %d answers, kinds %+v", r.Latency.Count, r.Acked, r.Kinds)
	}
}

func TestAnAlteredBodyIsNotTheSame(t *testing.T) {
	ts, err := NewTemplates(small)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ts.all {
		tp := &ts.all[i]
		slot := make([]byte, identityLen)
		Identity{Run: 1, Template: uint16(i)}.put(slot)
		body := append(append(append([]byte{}, tp.prefix...), slot...), tp.suffix...)
		id, at, ok := FindIdentity(body)
		if !ok || !ts.Same(body, id, at) {
			t.Fatalf("body %d is not taken for itself", i)
		}
		for _, place := range []int{0, at - 1, len(body) - 1} {
			body[place] ^= 1
			if ts.Same(body, id, at) {
				t.Errorf("body %d with another byte at %d is taken for the same", i, place)
			}
			body[place] ^= 1
		}
		if ts.Same(body[1:], id, at-1) || ts.Same(append(body, ' '), id, at) {
			t.Errorf("body %d with another length is taken for the same", i)
		}
	}
}

func TestWhatIsRefusedIsNotAcknowledged(t *testing.T) {
	s := &recording{answer: func(n int, w http.ResponseWriter) {
		if n%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}}
	r := run(t, s, nil)
	unacked := 0
	for c, sequences := range r.Unacked {
		for _, q := range sequences {
			if q >= r.Sent[c] {
				t.Errorf("connection %d: %d is not acknowledged, of %d", c, q, r.Sent[c])
			}
			unacked++
		}
	}
	refused := len(s.bodies) / 3
	if unacked != refused || r.Statuses[503] != int64(refused) || r.Acked != int64(len(s.bodies)-refused) {
		t.Errorf("of %d bodies %d were refused; %d are not acknowledged, %d are, statuses %v", len(s.bodies), refused, unacked, r.Acked, r.Statuses)
	}
}

func TestABrokenConnectionIsNoAcknowledgement(t *testing.T) {
	s := &recording{answer: func(n int, _ http.ResponseWriter) {
		if n%2 == 0 {
			panic(http.ErrAbortHandler)
		}
	}}
	r := run(t, s, nil)
	if r.Statuses[0] == 0 || r.Acked != r.Statuses[200] || r.Error == "" {
		t.Errorf("%d acknowledged, statuses %v, error %q", r.Acked, r.Statuses, r.Error)
	}
}

// A server that stands still for a while must not hide the requests that were due meanwhile.
func TestTheOpenLoopCountsWhatWasDueWhileTheServerStood(t *testing.T) {
	const rate, stands = 100, 400 * time.Millisecond
	var first atomic.Bool
	s := &recording{answer: func(int, http.ResponseWriter) {
		if first.CompareAndSwap(false, true) {
			time.Sleep(stands)
		}
	}}
	r := run(t, s, func(spec *Spec) { spec.Connections, spec.Rate, spec.Duration = 1, rate, time.Second })
	if r.Requests != rate {
		t.Fatalf("%d requests in a second at %d a second", r.Requests, rate)
	}
	// Forty were due while it stood; half of them had to wait for at least half of the time. No machine is
	// too slow for that.
	if least := (stands / 2).Microseconds(); r.Latency.P90 < least {
		t.Errorf("p90 is %d µs, less than %d", r.Latency.P90, least)
	}
	if r.Late.P90 < (stands / 2).Microseconds() {
		t.Errorf("requests are said to have begun in time: %+v", r.Late)
	}
}

func TestAWrappedBodyIsTheSameInside(t *testing.T) {
	s := &recording{}
	r := run(t, s, func(spec *Spec) {
		spec.Wrap, spec.Mix = WrapOTLP, append(small[:2:2], Kind{History, 200_000, 1})
	})
	ts, err := NewTemplates(append(small[:2:2], Kind{History, 200_000, 1}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Acked == 0 || s.forged > 0 {
		t.Fatalf("%d acknowledged, %d signatures are wrong", r.Acked, s.forged)
	}
	for _, b := range s.bodies {
		var otlp struct {
			ResourceLogs []struct {
				ScopeLogs []struct {
					LogRecords []struct{ Body struct{ BytesValue []byte } }
				}
			}
		}
		if err := json.Unmarshal(b, &otlp); err != nil {
			t.Fatal(err)
		}
		body := otlp.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Body.BytesValue
		if id, at, ok := FindIdentity(body); !ok || !ts.Same(body, id, at) {
			t.Fatalf("not what was to be sent: %.300s", body)
		}
	}
}

func TestSpecNamesWhatIsWrong(t *testing.T) {
	ok := Spec{URL: "http://127.0.0.1:1/", Connections: 1, Duration: time.Second, Timeout: time.Second, Mix: Standard()}
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Spec){
		"url":         func(s *Spec) { s.URL = "https://127.0.0.1/" },
		"topic":       func(s *Spec) { s.Brokers = []string{"a:1"} },
		"wrap":        func(s *Spec) { s.Wrap = "paper" },
		"connections": func(s *Spec) { s.Connections = 0 },
		"rate":        func(s *Spec) { s.Rate = -1 },
		"duration":    func(s *Spec) { s.Duration = 0 },
		"timeout":     func(s *Spec) { s.Timeout = 0 },
		"mix":         func(s *Spec) { s.Mix = nil },
		"kind":        func(s *Spec) { s.Mix = []Kind{{"x", 1000, 1}} },
		"bytes":       func(s *Spec) { s.Mix = []Kind{{Echo, 10, 1}} },
		"weight":      func(s *Spec) { s.Mix = []Kind{{Echo, 1000, 0}} },
	} {
		s := ok
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
