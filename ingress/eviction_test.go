package ingress

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

// setGrace replaces the time that a connection must have waited before it may be evicted.
func (r *running) setGrace(grace time.Duration) {
	r.open.mu.Lock()
	defer r.open.mu.Unlock()
	r.open.grace = grace
}

// dialFrom connects from a loopback address of its own.
func dialFrom(t testing.TB, from byte, addr string) *conversation {
	t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}, Timeout: time.Minute}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return newConversation(t, c)
}

// signed makes a webhook of the source that requires a signature.
func signed(body []byte) string {
	return fmt.Sprintf("POST /meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n%s", sign(testSecret, body), len(body), body)
}

// besideStrangers starts a server whose connections are all taken by unverified clients from four addresses. Each of them
// sends the given bytes and no more.
func besideStrangers(t *testing.T, m *rawtest.Memory, sends string) *running {
	t.Helper()
	cfg := testConfig()
	cfg.PerClientMax = 16
	cfg.ConnectionsMax = 4 * cfg.PerClientMax
	s := start(t, cfg, m)
	for i := range cfg.ConnectionsMax {
		dialFrom(t, byte(2+i%4), s.addr).send(sends)
	}
	rawtest.WaitFor(t, "the strangers", func() bool { return s.open.count() == cfg.ConnectionsMax })
	return s
}

func TestConnectionsThatStrangersHoldMakeRoomForWebhooks(t *testing.T) {
	for what, sends := range map[string]string{
		"nothing at all":               "",
		"the beginning of a request":   "POST /meta HTTP/1.1\r\nHost: x\r\n",
		"a request that is refused":    "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
		"a wrong signature":            post("/meta", message),
		"the beginning of a body":      "POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + string(make([]byte, 10_000)),
		"the beginning of a long body": "POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + string(make([]byte, 10_000)),
		"the beginning of chunks":      "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1",
	} {
		t.Run(what, func(t *testing.T) {
			m := &rawtest.Memory{}
			s := besideStrangers(t, m, sends)
			s.setGrace(0)
			const n = 99
			for i := range n {
				c := dialFrom(t, 9, s.addr)
				c.send(signed(message))
				if a := c.answer(); a.code != 200 {
					t.Fatalf("webhook %d: %d %s", i, a.code, a.body)
				}
				_ = c.Close()
			}
			if got := len(m.Records()); got != n {
				t.Errorf("%d records, want %d", got, n)
			}
			if rawtest.Counter(t, s.reg, "coexstream_ingress_connections_evicted_total", "state", "waiting")+
				rawtest.Counter(t, s.reg, "coexstream_ingress_connections_evicted_total", "state", "receiving") == 0 {
				t.Error("none is counted as evicted")
			}
		})
	}
}

// With the defaults, four addresses at their limits leave room for others.
func TestFourAddressesHoldAtMostHalfOfTheConnectionsByDefault(t *testing.T) {
	if c := DefaultConfig(); 4*c.PerClientMax > c.ConnectionsMax/2 {
		t.Errorf("connections_per_client_max %d, connections_max %d", c.PerClientMax, c.ConnectionsMax)
	}
}

func TestOldestStrangerMakesRoomFirst(t *testing.T) {
	cfg := testConfig()
	cfg.ConnectionsMax = 3
	s := start(t, cfg, &rawtest.Memory{})
	s.setGrace(0)
	var strangers []*conversation
	for i := range 3 {
		strangers = append(strangers, dialFrom(t, byte(2+i), s.addr))
		rawtest.WaitFor(t, "a stranger", func() bool { return s.open.count() == i+1 })
	}
	// The first one sends something. Now the second one has waited longest.
	strangers[0].send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := strangers[0].answer(); a.code != 404 {
		t.Fatal(a.code)
	}
	rawtest.WaitFor(t, "its end to be noted", func() bool {
		return s.open.waiting() == 3 && s.open.last().RemoteAddr().String() == strangers[0].LocalAddr().String()
	})
	c := dialFrom(t, 9, s.addr)
	c.send(signed(message))
	if a := c.answer(); a.code != 200 {
		t.Fatal(a.code)
	}
	if _, err := strangers[1].r.ReadByte(); !closedByPeer(err) {
		t.Errorf("the one that waited for the longest time: %v", err)
	}
	for _, i := range []int{0, 2} {
		strangers[i].send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
		if a := strangers[i].answer(); a.code != 404 {
			t.Errorf("stranger %d: %d", i, a.code)
		}
	}
}

func (o *openConns) waiting() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := o.all.queues[placeWaiting].first; c != nil; c = c.links[ofAll].after {
		n++
	}
	return n
}

func (o *openConns) last() *conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.queues[placeWaiting].last
}

// A verified connection stays open while hundreds of unverified ones come and go.
func TestVerifiedConnectionsStayWhileStrangersComeAndGo(t *testing.T) {
	s := besideStrangers(t, &rawtest.Memory{}, "")
	s.setGrace(0)
	var true_ []*conversation
	for range 8 {
		c := dialFrom(t, 9, s.addr)
		c.send(signed(message))
		if a := c.answer(); a.code != 200 {
			t.Fatal(a.code)
		}
		true_ = append(true_, c)
	}
	for i := range 300 {
		dialFrom(t, byte(2+i%4), s.addr)
	}
	rawtest.WaitFor(t, "all strangers to be accepted", func() bool {
		return rawtest.Counter(t, s.reg, "coexstream_ingress_connections_evicted_total", "state", "waiting") >= 300
	})
	for i, c := range true_ {
		c.send(signed(message))
		if a := c.answer(); a.code != 200 {
			t.Errorf("sender %d: %d", i, a.code)
		}
	}
	if n := rawtest.Counter(t, s.reg, "coexstream_ingress_connections_evicted_total", "state", "verified"); n != 0 {
		t.Errorf("%v verified connections had to make room", n)
	}
}

// A wrong signature makes a connection unverified again.
func TestWrongSignatureEndsTheTrustInAConnection(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	c := dial(t, s.addr)
	c.send(signed(message))
	if a := c.answer(); a.code != 200 {
		t.Fatal(a.code)
	}
	rawtest.WaitFor(t, "the connection to be idle", func() bool { return s.open.waiting() == 0 && s.open.verifiedCount() == 1 })
	c.send("POST /meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=" + sign("other", message) + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(message), message))
	if a := c.answer(); a.code != 401 {
		t.Fatal(a.code)
	}
	rawtest.WaitFor(t, "the connection to be a stranger's", func() bool { return s.open.waiting() == 1 && s.open.verifiedCount() == 0 })
}

func (o *openConns) verifiedCount() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.verified
}

// When all connections are verified and idle, the one that has been idle longest is evicted, down to half of the limit.
func TestIdleVerifiedConnectionsMakeRoomLast(t *testing.T) {
	cfg := testConfig()
	cfg.ConnectionsMax, cfg.IdleTimeout, cfg.ReadTimeout = 8, time.Hour, 10*time.Minute
	clock := &jumpingClock{}
	s := startAt(t, cfg, &rawtest.Memory{}, slog.New(slog.DiscardHandler), clock.Now)
	goOn := func(d time.Duration) {
		clock.ahead.Add(int64(d))
		s.open.sweep(clock.Now())
	}
	var senders []*conversation
	for i := range 8 {
		c := dialFrom(t, byte(2+i), s.addr)
		c.send(signed(message))
		if a := c.answer(); a.code != 200 {
			t.Fatal(a.code)
		}
		rawtest.WaitFor(t, "the connection to be idle", func() bool { return s.open.verifiedCount() == i+1 && s.open.idle() == i+1 })
		senders = append(senders, c)
		goOn(time.Minute)
	}
	// All of them have been idle long enough. The unverified ones, which do not use this clock, are young.
	goOn(20 * time.Minute)
	s.setGrace(10 * time.Minute)
	for i := range 4 {
		dialFrom(t, 20, s.addr)
		rawtest.WaitFor(t, "a verified one to make room", func() bool { return s.open.verifiedCount() == 7-i })
		if _, err := senders[i].r.ReadByte(); !closedByPeer(err) {
			t.Errorf("sender %d, whose turn it is: %v", i, err)
		}
		s.open.allowLooking()
	}
	// Now unverified ones have half. They are too young to be evicted, and more are refused.
	c := dialFrom(t, 21, s.addr)
	c.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := c.answer(); a.code != 503 {
		t.Errorf("one more: %d", a.code)
	}
	for i, c := range senders[4:] {
		c.send(signed(message))
		if a := c.answer(); a.code != 200 {
			t.Errorf("sender %d: %d", 4+i, a.code)
		}
	}
}

func (o *openConns) idle() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		if _, idle := c.idleSince(); idle {
			n++
		}
	}
	return n
}

func (o *openConns) allowLooking() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.idleChecked = time.Time{}
}

// Many senders behind one address share its limit. Idle connections are evicted, and each webhook is accepted.
func TestSendersBehindOneAddressShareItsConnections(t *testing.T) {
	cfg := testConfig()
	cfg.PerClientMax = 8
	m := &rawtest.Memory{}
	s := start(t, cfg, m)
	s.setGrace(0)
	const senders, rounds = 24, 5
	for range rounds {
		for i := range senders {
			s.open.allowLooking()
			c := dialFrom(t, 9, s.addr) // and kept open
			c.send(signed(message))
			if a := c.answer(); a.code != 200 {
				t.Fatalf("sender %d: %d %s", i, a.code, a.body)
			}
			rawtest.WaitFor(t, "the connection to be idle", func() bool { return s.open.idle() == s.open.count() })
			s.open.sweep(time.Now())
		}
	}
	if n := len(m.Records()); n != senders*rounds {
		t.Errorf("%d records", n)
	}
	// Senders that keep fewer connections than the limit are never evicted.
	before := rawtest.Counter(t, s.reg, "coexstream_ingress_connections_evicted_total", "state", "verified")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			transport := &http.Transport{MaxConnsPerHost: 1, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 10)}}).DialContext}
			defer transport.CloseIdleConnections()
			for range 50 {
				res, err := (&http.Client{Transport: transport}).Post(s.url+"/number", "application/json", bytes.NewReader(message))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("%d", res.StatusCode)
				}
			}
		})
	}
	all.Wait()
	if after := rawtest.Counter(t, s.reg, "coexstream_ingress_connections_evicted_total", "state", "verified"); after != before {
		t.Errorf("%v verified connections of another address had to make room", after-before)
	}
}

// A request whose connection is evicted gets an answer with Retry-After.
func TestSenderThatHasToMakeRoomIsToldSo(t *testing.T) {
	cfg := testConfig()
	cfg.ConnectionsMax = 1
	for where, part := range map[string]string{
		"in the headers": "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\nPOST /number HTTP/1.1\r\nHost: x\r\n",
		"in a body":      "POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + string(make([]byte, 20_000)),
		"in chunks":      "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1",
	} {
		s := start(t, cfg, &rawtest.Memory{})
		slow := dialFrom(t, 2, s.addr)
		slow.send(part)
		if strings.HasPrefix(part, "GET") {
			if a := slow.answer(); a.code != 404 { // it comes when the rest has been read
				t.Fatal(a.code)
			}
		} else {
			_, body, _ := strings.Cut(part, "\r\n\r\n")
			rawtest.WaitFor(t, "what has come to be read", func() bool { return s.open.receiving(int64(len(body))) }) // else the answer may be lost
		}
		s.setGrace(0)
		c := dialFrom(t, 3, s.addr)
		a := slow.answer()
		if a.code != 503 || a.header.Get("Retry-After") == "" || a.header.Get("Connection") != "close" {
			t.Errorf("%s: %d %v", where, a.code, a.header)
		}
		checkRefusal(t, a, "evicted")
		s.setGrace(time.Hour)
		c.send(post("/number", message))
		if a := c.answer(); a.code != 200 {
			t.Errorf("%s: the newer one: %d", where, a.code)
		}
	}
}

// receiving reports whether n bytes of a body have arrived, or a chunked body is being received.
func (o *openConns) receiving(n int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.all.queues[placeReceiving].first
	return c != nil && (n == 1 || c.incoming.received.Load() == n)
}

// TestWhoMakesRoomIsAlwaysTheRightOne compares openConns with a simple scan over all connections, for random sequences of
// operations.
func TestWhoMakesRoomIsAlwaysTheRightOne(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	o := newOpenConns(time.Hour, time.Hour, time.Now())
	o.grace = 0
	count := func() prometheus.Counter { return prometheus.NewCounter(prometheus.CounterOpts{Name: "n"}) }
	o.late, o.evicted = count(), evictedMetrics{count(), count(), count()}
	type known struct {
		at    int // when it came to its place
		place place
	}
	alive := map[*conn]known{}
	const most, mostOfClient = 20, 8
	for step := range 20_000 {
		var any *conn
		for c := range alive {
			any = c
			break
		}
		switch act := rng.IntN(6); {
		case act < 2 || any == nil:
			client := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(5))}), 32)
			expect := func(own bool) (first *conn) {
				for c, k := range alive {
					if k.place == placeNone || own && c.client != client {
						continue
					}
					if f, ok := alive[first]; !ok || k.place < f.place || k.place == f.place && k.at < f.at {
						first = c
					}
				}
				return first
			}
			n, ofClient := len(alive), 0
			for c := range alive {
				if c.client == client {
					ofClient++
				}
			}
			var want *conn
			limited := limitNone
			switch {
			case ofClient >= mostOfClient:
				if want = expect(true); want == nil {
					limited = limitClient
				}
			case n >= most:
				if want = expect(false); want == nil {
					limited = limitAll
				}
			}
			if got := o.makeRoom(client, most, mostOfClient); got != limited {
				t.Fatalf("step %d: limit %d, want %d", step, got, limited)
			}
			if want != nil {
				if !want.left {
					t.Fatalf("step %d: another one had to make room", step)
				}
				delete(alive, want)
			}
			for c := range alive {
				if c.left {
					t.Fatalf("step %d: one too many had to make room", step)
				}
			}
			if limited == limitNone {
				c := &conn{Conn: &playedConn{}, client: client}
				o.enter(c)
				alive[c] = known{step, placeWaiting}
			}
		case act < 4:
			p := place(rng.IntN(int(places)))
			o.enqueue(any, p)
			alive[any] = known{step, p}
		case act == 4 && rng.IntN(4) == 0:
			o.mu.Lock()
			o.leave(any)
			delete(o.conns, any)
			o.mu.Unlock()
			delete(alive, any)
		}
		if o.all.open != len(alive) {
			t.Fatalf("step %d: %d are open, want %d", step, o.all.open, len(alive))
		}
	}
}
