package ingress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/cost"
)

// abused is a server under attack. Meanwhile a neighbour sends webhooks, which must all be accepted, and the heap is
// watched.
type abused struct {
	*running
	t    *testing.T
	m    *rawtest.Memory
	late int // requests of the neighbour that took longer than a request may, because the machine paused
	stop func() (sent int, heapMost uint64)
}

// liveHeap returns the heap after the last collection. Garbage since then depends on the load of the machine.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// heapAllowed bounds what an attack may add to the heap beside the reserved bytes: buffers of connections, and the data
// of the test itself.
const heapAllowed = 96 << 20

// neighbourBody is the webhook of the neighbour.
var neighbourBody = []byte(`{"entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[]}}]}]}`)

func underAttack(t *testing.T, cfg Config) *abused {
	t.Helper()
	m := &rawtest.Memory{}
	a := &abused{running: start(t, cfg, m), t: t, m: m}
	runtime.GC()
	before := liveHeap()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	sent, most := 0, uint64(0)
	// A client address of its own.
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	wg.Go(func() {
		defer transport.CloseIdleConnections()
		for ctx.Err() == nil || sent == 0 { // an attack may be over before the first request is answered
			began := time.Now()
			resp, err := client.Post(a.url+"/number", "application/json", bytes.NewReader(neighbourBody))
			if late := time.Since(began) >= cfg.ReadTimeout; late && (err != nil || resp.StatusCode == http.StatusRequestTimeout) {
				if a.late++; err == nil {
					_ = resp.Body.Close()
				}
				continue
			}
			if err != nil {
				t.Errorf("the neighbour: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("the neighbour: %d", resp.StatusCode)
				return
			}
			sent++
		}
	})
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			most = max(most, liveHeap())
			<-tick.C
		}
	})
	a.stop = func() (int, uint64) {
		cancel()
		wg.Wait()
		return sent, most - min(most, before)
	}
	return a
}

// over ends the attack and makes the checks that all attacks have in common.
func (a *abused) over() {
	a.t.Helper()
	sent, heap := a.stop()
	if sent == 0 {
		a.t.Error("the neighbour sent nothing")
	}
	// With the race detector a sync.Pool drops values at random, and the heap cannot be checked.
	if most := uint64(a.cfg.InFlightBytesMax) + heapAllowed; heap > most && !cost.RaceDetector {
		a.t.Errorf("the heap grew by %d bytes, more than %d", heap, most)
	}
	rawtest.WaitFor(a.t, "everything to be given back", func() bool { return a.budget.reserved() == 0 })
	neighbours := 0
	for _, r := range a.m.Records() {
		if bytes.Equal(r.Value, neighbourBody) {
			neighbours++
		}
	}
	if neighbours != sent {
		a.t.Errorf("%d of the neighbour's %d webhooks are in the log", neighbours, sent)
	}
}

// attackers run in parallel, each on its connection.
func (a *abused) attackers(n int, attack func(c net.Conn)) {
	a.t.Helper()
	var wg sync.WaitGroup
	for range n {
		c, err := net.Dial("tcp", a.addr)
		if err != nil {
			a.t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			a.t.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = c.Close() }()
			attack(c)
		})
	}
	wg.Wait()
}

// dribble sends a byte now and then until the server has enough of it.
func dribble(c net.Conn, b byte) {
	for {
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestSlowHeadersAreCutAndOthersServed(t *testing.T) {
	cfg := testConfig()
	cfg.ReadTimeout = 300 * time.Millisecond
	a := underAttack(t, cfg)
	a.attackers(100, func(c net.Conn) {
		_, _ = io.WriteString(c, "POST /number HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		dribble(c, 'x')
	})
	a.over()
	if n := rawtest.Counter(t, a.reg, "coexstream_ingress_connections_timed_out_total", "phase", "request"); n < 100 || n > float64(100+a.late) {
		t.Errorf("%v connections timed out, want 100; %d requests of the neighbour were late", n, a.late)
	}
}

func TestSlowBodiesAreCutAndOthersServed(t *testing.T) {
	cfg := testConfig()
	cfg.ReadTimeout = 300 * time.Millisecond
	a := underAttack(t, cfg)
	for _, framing := range []string{"Content-Length: 60000", "Content-Length: 4000000", "Transfer-Encoding: chunked"} {
		a.attackers(40, func(c net.Conn) {
			_, _ = io.WriteString(c, "POST /number HTTP/1.1\r\nHost: x\r\n"+framing+"\r\n\r\n")
			dribble(c, '0')
		})
	}
	a.over()
	timedOut := rawtest.Counter(t, a.reg, "coexstream_ingress_requests_total", "source", "number", "code", "408") +
		rawtest.Counter(t, a.reg, "coexstream_ingress_requests_total", "source", noSource, "code", "408") // before the source was known
	if timedOut < 80 {
		t.Errorf("%v requests timed out, want at least the 80 with a length", timedOut)
	}
}

func TestHugeHeadersAre431AndOthersServed(t *testing.T) {
	a := underAttack(t, testConfig())
	const n = 50
	a.attackers(n, func(c net.Conn) {
		_, _ = io.WriteString(c, "POST /number HTTP/1.1\r\nHost: x\r\nX-Huge: ")
		block := bytes.Repeat([]byte("x"), 64<<10)
		for range 32 {
			if _, err := c.Write(block); err != nil {
				break // the answer may be lost together with unread bytes
			}
		}
	})
	a.attackers(n, func(c net.Conn) {
		_, _ = io.WriteString(c, "POST /number HTTP/1.1\r\n"+strings.Repeat("A: b\r\n", 100_000))
	})
	a.over()
	// A client that writes and leaves may be gone before the server has read.
	rawtest.WaitFor(t, "all to be answered with 431", func() bool {
		return rawtest.Counter(t, a.reg, "coexstream_ingress_requests_total", "source", noSource, "code", "431") == 2*n
	})
}

func TestConnectionsOfOneClientAreBoundedAndOthersServed(t *testing.T) {
	cfg := testConfig()
	cfg.PerClientMax = 20
	a := underAttack(t, cfg)
	a.setGrace(time.Hour) // nobody has to make room
	var mu sync.Mutex
	refused := 0
	held := make(chan struct{})
	var all sync.WaitGroup
	for range 60 {
		c, err := net.Dial("tcp", a.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all.Go(func() {
			_, _ = io.WriteString(c, "POST /number HTTP/1.1\r\n")
			go func() { <-held; _ = c.Close() }()
			if b, _ := io.ReadAll(c); bytes.Contains(b, []byte(" 503 ")) && bytes.Contains(b, []byte("Retry-After")) {
				mu.Lock()
				refused++
				mu.Unlock()
			}
		})
	}
	rawtest.WaitFor(t, "the refusals", func() bool {
		return rawtest.Counter(t, a.reg, "coexstream_ingress_connections_refused_total", "limit", "client") == 40
	})
	rawtest.WaitFor(t, "the answers", func() bool { mu.Lock(); defer mu.Unlock(); return refused >= 20 })
	close(held)
	all.Wait()
	rawtest.WaitFor(t, "the connections to end", func() bool { return a.open.count() <= 1 })
	if got := do(t, "POST", a.url+"/number", bytes.NewReader(message)); got.code != 200 {
		t.Errorf("the same client afterwards: %d", got.code)
	}
	a.over()
	if got := rawtest.Counter(t, a.reg, "coexstream_ingress_connections_refused_total", "limit", "all"); got != 0 {
		t.Errorf("%v refused for the limit of all", got)
	}
}

func TestClientsAreCountedByAddressAndIPv6ByNetwork(t *testing.T) {
	of := func(s string) string { return clientOf(&net.TCPAddr{IP: net.ParseIP(s), Port: 1}).String() }
	for _, same := range [][2]string{{"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2"}} {
		if of(same[0]) != of(same[1]) {
			t.Errorf("%s is %s, %s is %s", same[0], of(same[0]), same[1], of(same[1]))
		}
	}
	for _, other := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8:0:1::1", "2001:db8:0:2::1"}} {
		if of(other[0]) == of(other[1]) {
			t.Errorf("%s and %s are both %s", other[0], other[1], of(other[0]))
		}
	}
}

func TestDecompressionBombsAre413AndOthersServed(t *testing.T) {
	bombs := map[string][]byte{}
	for coding, encode := range encoders(t) {
		bombs[coding] = bytes.Clone(encode(make([]byte, 64<<20)))
	}
	bombs["gzip, gzip"] = gz(t, bombs["gzip"])
	a := underAttack(t, testConfig())
	for coding, bomb := range bombs {
		if len(bomb) > a.cfg.BodyBytesMax {
			t.Fatalf("%s: the bomb has %d bytes", coding, len(bomb))
		}
		a.attackers(8, func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "POST /number HTTP/1.1\r\nHost: x\r\nContent-Encoding: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", coding, len(bomb))
			_, _ = c.Write(bomb)
			b, err := io.ReadAll(c)
			if !bytes.HasPrefix(b, []byte("HTTP/1.1 413 ")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 503 ")) {
				t.Errorf("%s: %.60q %v", coding, b, err)
			}
		})
	}
	a.over()
	if n := rawtest.Counter(t, a.reg, "coexstream_ingress_requests_total", "source", "number", "code", "413"); n == 0 {
		t.Error("no 413 is counted")
	}
}

// The ingress does not parse bodies, so nesting has no limit here. The processor refuses it
// (TestNestingDeeperThanTheLimitIsRefused).
func TestDeepJSONIsTakenAsBytesAndOthersServed(t *testing.T) {
	a := underAttack(t, testConfig())
	const n = 2 << 20
	bodies := []string{
		strings.Repeat("[", n), strings.Repeat(`{"a":`, n/5), strings.Repeat(`{"entry":[`, n/10),
		strings.Repeat(`{"history":[`, n/12), strings.Repeat(`"id":"1",`, n/9), strings.Repeat(`\`, n), strings.Repeat(`"`, n),
	}
	for _, body := range bodies {
		if got := do(t, "POST", a.url+"/number", strings.NewReader(body)); got.code != 200 {
			t.Errorf("%.12s…: %d", body, got.code)
		}
	}
	a.over()
	if got := len(a.m.Records()); got < len(bodies) {
		t.Errorf("%d records", got)
	}
}

// A client that never reads its answers delays no other client.
func TestPipeliningWithoutReadingIsCutAndOthersServed(t *testing.T) {
	cfg := testConfig()
	cfg.WriteTimeout = 300 * time.Millisecond
	a := underAttack(t, cfg)
	burst := []byte(strings.Repeat("GET /nobody HTTP/1.1\r\nHost: x\r\n\r\n", 2000))
	a.attackers(8, func(c net.Conn) {
		for {
			if _, err := c.Write(burst); err != nil {
				if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
					t.Error("the connection was never cut")
				}
				return
			}
		}
	})
	a.over()
	rawtest.WaitFor(t, "the connections to end", func() bool { return a.open.count() <= 1 })
	if n := rawtest.Counter(t, a.reg, "coexstream_ingress_connections_timed_out_total", "phase", "answer"); n != 8 {
		t.Errorf("%v connections are counted as cut for answers that nobody read, want 8", n)
	}
	if n := rawtest.Counter(t, a.reg, "coexstream_ingress_connections_timed_out_total", "phase", "request"); n > float64(a.late) {
		t.Errorf("%v connections are counted as cut for their requests", n)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	a := underAttack(t, testConfig())
	a.attackers(4, func(c net.Conn) {
		var all strings.Builder
		for i := range 300 {
			if i%3 == 0 {
				all.WriteString(post("/number", message))
			} else {
				all.WriteString("GET /nobody HTTP/1.1\r\nHost: x\r\n\r\n")
			}
		}
		all.WriteString("GET /nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		go func() { _, _ = io.WriteString(c, all.String()) }()
		b, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		for i, line := range strings.Split(string(b), "HTTP/1.1 ")[1:] {
			want := "404"
			if i%3 == 0 && i < 300 {
				want = "200"
			}
			if !strings.HasPrefix(line, want) {
				t.Errorf("answer %d: %.3s, want %s", i, line, want)
				return
			}
		}
	})
	a.over()
}
