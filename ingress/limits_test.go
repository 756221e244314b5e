package ingress

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
)

// held returns a Durable whose callers wait until open is closed, or until their deadlines.
func held() (m *rawtest.Memory, waiting *atomic.Int64, open chan struct{}) {
	open, waiting = make(chan struct{}), new(atomic.Int64)
	return &rawtest.Memory{Refuse: func(_ *raw.Record, deadline time.Time) error {
		waiting.Add(1)
		select {
		case <-open:
			return nil
		case <-time.After(time.Until(deadline)):
			return raw.ErrUnknown
		}
	}}, waiting, open
}

func post(path string, body []byte) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestSourceOverItsRequestsIs429(t *testing.T) {
	m, waiting, open := held()
	s := start(t, testConfig(), m)
	c := dial(t, s.addr)
	c.send(post("/open", message))
	rawtest.WaitFor(t, "the first request", func() bool { return waiting.Load() == 1 })
	a := do(t, "POST", s.url+"/open", bytes.NewReader(message))
	if a.code != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", a.code, a.header.Get("Retry-After"))
	}
	close(open)
	if a := c.answer(); a.code != 200 {
		t.Errorf("the first: %d", a.code)
	}
	if a := do(t, "POST", s.url+"/open", bytes.NewReader(message)); a.code != 200 {
		t.Errorf("after it: %d", a.code)
	}
}

func TestConnectionOverTheLimitIs503(t *testing.T) {
	m, waiting, open := held()
	cfg := testConfig()
	cfg.ConnectionsMax = 2
	s := start(t, cfg, m)
	var cs []*conversation
	for range 2 {
		c := dial(t, s.addr)
		c.send(post("/number", message))
		cs = append(cs, c)
	}
	rawtest.WaitFor(t, "two requests", func() bool { return waiting.Load() == 2 })
	a := do(t, "POST", s.url+"/number", bytes.NewReader(message))
	if a.code != 503 || a.header.Get("Retry-After") != "5" || len(a.header.Get("X-Request-Id")) != requestIDBytes {
		t.Errorf("%d %v", a.code, a.header)
	}
	checkRefusal(t, a, "connections")
	close(open)
	for _, c := range cs {
		if a := c.answer(); a.code != 200 {
			t.Errorf("within the limit: %d", a.code)
		}
		_ = c.Close()
	}
	rawtest.WaitFor(t, "the connections to end", func() bool { return s.open.count() == 0 })
	if a := do(t, "POST", s.url+"/number", bytes.NewReader(message)); a.code != 200 {
		t.Errorf("after it: %d", a.code)
	}
}

func TestShortBodiesOverTheBudgetAre503(t *testing.T) {
	m, waiting, open := held()
	cfg := testConfig()
	cfg.InFlightBytesMax = leastInFlight(&cfg)
	s := start(t, cfg, m)
	fit := int(cfg.InFlightBytesMax / 4 / shortBytesMax)
	body := bytes.Repeat([]byte("x"), shortBytesMax)
	var cs []*conversation
	for range fit {
		c := dial(t, s.addr)
		c.send(post("/number", body))
		cs = append(cs, c)
	}
	rawtest.WaitFor(t, "all that fits", func() bool { return waiting.Load() == int64(fit) })
	a := do(t, "POST", s.url+"/number", bytes.NewReader(body))
	if a.code != 503 {
		t.Errorf("one more: %d", a.code)
	}
	checkRefusal(t, a, "busy")
	close(open)
	for _, c := range cs {
		if a := c.answer(); a.code != 200 {
			t.Fatalf("within the budget: %d", a.code)
		}
	}
	if n := s.budget.reserved(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

// longBodiesThatFit returns the number of longest bodies of unknown clients that have room at a time.
func longBodiesThatFit(cfg *Config) int {
	_, long, _ := shares(cfg.InFlightBytesMax, roomFor(cfg.BodyBytesMax), int64(cfg.DecodedBytesMax))
	return int(max(long/2, roomFor(cfg.BodyBytesMax)) / roomFor(cfg.BodyBytesMax))
}

func TestLongBodiesWaitForRoomAndShortOnesPassThem(t *testing.T) {
	m, waiting, open := held()
	cfg := testConfig()
	cfg.InFlightBytesMax = 2 * leastInFlight(&cfg)
	cfg.AckTimeout = 20 * time.Second
	s := start(t, cfg, m)
	long := bytes.Repeat([]byte("x"), cfg.BodyBytesMax)
	fit := longBodiesThatFit(&cfg)
	answers := make(chan int, fit+1)
	for range fit + 1 {
		c := dial(t, s.addr)
		go func() {
			c.send(post("/number", long))
			answers <- c.answer().code
		}()
	}
	rawtest.WaitFor(t, "all long ones that fit", func() bool { return waiting.Load() == int64(fit) })
	c := dial(t, s.addr)
	c.send(post("/number", message))
	rawtest.WaitFor(t, "the short one", func() bool { return waiting.Load() == int64(fit)+1 })
	close(open)
	for range fit + 1 {
		if code := <-answers; code != 200 {
			t.Errorf("a long one: %d", code)
		}
	}
	if a := c.answer(); a.code != 200 {
		t.Errorf("the short one: %d", a.code)
	}
}

func TestLongBodyWithoutRoomIs503AtTheDeadline(t *testing.T) {
	m, waiting, open := held()
	defer close(open)
	cfg := testConfig()
	cfg.InFlightBytesMax = 2 * leastInFlight(&cfg)
	cfg.AckTimeout = 300 * time.Millisecond
	s := start(t, cfg, m)
	long := bytes.Repeat([]byte("x"), cfg.BodyBytesMax)
	fit := longBodiesThatFit(&cfg)
	for range fit {
		dial(t, s.addr).send(post("/number", long))
	}
	rawtest.WaitFor(t, "all that fits", func() bool { return waiting.Load() == int64(fit) })
	c := dial(t, s.addr)
	c.send("POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000))
	if a := c.answer(); a.code != 503 {
		t.Errorf("%d", a.code)
	}
}

func TestIdleConnectionIsClosedInItsTime(t *testing.T) {
	cfg := testConfig()
	clock := newHandClock()
	s := startAt(t, cfg, &rawtest.Memory{}, slog.New(slog.DiscardHandler), clock.Now)
	c := dial(t, s.addr)
	for range 3 {
		c.send(post("/number", message))
		if a := c.answer(); a.code != 200 {
			t.Fatalf("%d", a.code)
		}
		rawtest.WaitFor(t, "the connection to be idle", func() bool {
			_, idle := s.open.any().idleSince()
			return idle
		})
		clock.advance(cfg.IdleTimeout) // its time is not over before the next tick
		s.open.sweep(clock.Now())
	}
	clock.advance(s.open.tick())
	s.open.sweep(clock.Now())
	if b, err := c.r.ReadByte(); err == nil {
		t.Errorf("an idle connection got %q", b)
	}
}

// any returns an open connection.
func (o *openConns) any() *conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		return c
	}
	return nil
}

func TestWaitingForTheLogIsNotWaitingForTheSender(t *testing.T) {
	cfg := testConfig()
	cfg.ReadTimeout, cfg.IdleTimeout = 100*time.Millisecond, 100*time.Millisecond
	m, waiting, open := held()
	s := start(t, cfg, m)
	c := dial(t, s.addr)
	c.send(post("/number", message))
	rawtest.WaitFor(t, "the request", func() bool { return waiting.Load() == 1 })
	for range 10 { // as much later as it takes for everything else to time out
		s.open.sweep(time.Now().Add(time.Hour))
	}
	close(open)
	if a := c.answer(); a.code != 200 {
		t.Fatalf("%d %s", a.code, a.body)
	}
	c.send(post("/number", message))
	if a := c.answer(); a.code != 200 {
		t.Errorf("the next one: %d %s", a.code, a.body)
	}
}

func TestDrainAnswersWhatIsInFlight(t *testing.T) {
	m, waiting, open := held()
	s := start(t, testConfig(), m)
	c, idle := dial(t, s.addr), dial(t, s.addr)
	idle.send("GET /meta HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := idle.answer(); a.code != 403 {
		t.Fatal(a.code)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	c.send(post("/number", message))
	rawtest.WaitFor(t, "the request", func() bool { return waiting.Load() == 1 })
	s.cancel()
	rawtest.WaitFor(t, "readiness to fail", func() bool { return s.Ready() != nil })
	if _, err := idle.r.ReadByte(); err == nil {
		t.Error("an idle connection got an answer to nothing")
	}
	close(open)
	if a := c.answer(); a.code != 200 || a.header.Get("Connection") != "close" {
		t.Errorf("%d, Connection: %s", a.code, a.header.Get("Connection"))
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if len(m.Records()) != 1 {
		t.Errorf("%d records", len(m.Records()))
	}
}

func TestDrainCutsWhatTakesTooLong(t *testing.T) {
	cfg := testConfig()
	cfg.DrainTimeout = 100 * time.Millisecond
	s := start(t, cfg, &rawtest.Memory{})
	c := dial(t, s.addr)
	c.send("POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n") // and no more
	rawtest.WaitFor(t, "the connection", func() bool { return s.open.count() == 1 })
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("Serve: %v", err)
	}
	if n := s.open.count(); n != 0 {
		t.Errorf("%d connections are served after Serve has returned", n)
	}
}

func TestServerThatIsStoppedAtOnceStops(t *testing.T) {
	for range 20 {
		if err := start(t, testConfig(), &rawtest.Memory{}).stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestValidateNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"ingress.body_bytes_max: 1 is not allowed; allowed: 1024 to":                                          func(c *Config) { c.BodyBytesMax = 1 },
		"ingress.in_flight_bytes_max: 5 is not allowed":                                                       func(c *Config) { c.InFlightBytesMax = 5 },
		"ingress.ack_timeout: 1h0m0s is not allowed; allowed: 50ms to 1m0s":                                   func(c *Config) { c.AckTimeout = time.Hour },
		"ingress.sources: [] is not allowed; allowed: at least one source":                                    func(c *Config) { c.Sources = nil },
		`ingress.sources[1].name: "meta" is not allowed; allowed: a name that no other`:                       func(c *Config) { c.Sources[1].Name = "meta" },
		`ingress.sources[1].path: "/meta" is not allowed; allowed: a path that no other`:                      func(c *Config) { c.Sources[1].Path = "/meta" },
		`ingress.sources[0].path: "meta" is not allowed; allowed: a path that begins with /`:                  func(c *Config) { c.Sources[0].Path = "meta" },
		`ingress.sources[0].provider: "mate" is not allowed; allowed: one of meta, 360dialog, ycloud`:         func(c *Config) { c.Sources[0].Provider = "mate" },
		"ingress.sources[0].secrets: [] is not allowed; allowed: at least one":                                func(c *Config) { c.Sources[0].Secrets = nil },
		`ingress.sources[0].secrets[1].id: "new" is not allowed`:                                              func(c *Config) { c.Sources[0].Secrets[1].ID = "new" },
		`ingress.sources[0].secrets[0].value: "" is not allowed; allowed: the app secret`:                     func(c *Config) { c.Sources[0].Secrets[0].Value = "" },
		"ingress.sources[0].verify_token: the value is not allowed; allowed: at least 16 characters, or none": func(c *Config) { c.Sources[0].VerifyToken = "fifteen-of-them" },
		"ingress.sources[3].requests_max: -1 is not allowed; allowed: 0":                                      func(c *Config) { c.Sources[3].RequestsMax = -1 },
		`ingress.sources[0].name: "desk" is not allowed; allowed: any other name: the records of the desk`:    func(c *Config) { c.Sources[0].Name = "desk" },
		`ingress.sources[0].name: "Desk" is not allowed; allowed: any other name`:                             func(c *Config) { c.Sources[0].Name = "Desk" },
		`ingress.sources[0].name: "(none)" is not allowed; allowed: 1 to 64 letters, digits, dots`:            func(c *Config) { c.Sources[0].Name = "(none)" },
	} {
		cfg := testConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	cfg := testConfig()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
