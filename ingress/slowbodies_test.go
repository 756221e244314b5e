package ingress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
)

// setSlow replaces the time before a body can count as slow.
func (r *running) setSlow(d time.Duration) {
	r.open.mu.Lock()
	defer r.open.mu.Unlock()
	r.open.slow = d
}

// wrongSignature is well formed.
var wrongSignature = "X-Hub-Signature-256: sha256=" + strings.Repeat("0", 64) + "\r\n"

// claimers send the beginning of a body, and then a byte from time to time, from four addresses.
func claimers(t *testing.T, s *running, n int, headers string, begin int) {
	t.Helper()
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	for i := range n {
		c := dialFrom(t, byte(2+i%4), s.addr)
		t.Cleanup(func() { _ = c.Close() })
		head := "POST /meta HTTP/1.1\r\nHost: x\r\n" + wrongSignature + headers + "\r\n"
		all.Go(func() {
			if _, err := io.WriteString(c, head+strings.Repeat("x", begin)); err == nil {
				dribble(c, 'x')
			}
		})
	}
	rawtest.WaitFor(t, "the claims", func() bool { return s.receivers() == n })
}

// receivers returns the number of bodies that are being received on unverified connections.
func (r *running) receivers() (n int) {
	r.open.mu.Lock()
	defer r.open.mu.Unlock()
	for c := r.open.all.queues[placeReceiving].first; c != nil; c = c.links[ofAll].after {
		n++
	}
	return n
}

// history sends n long bodies in parallel, each on a connection of its own, and counts the answers by code.
func history(t *testing.T, s *running, n int, body []byte, headers ...string) map[int]int {
	t.Helper()
	var mu sync.Mutex
	codes := map[int]int{}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			a := do(t, "POST", s.url+"/meta", bytes.NewReader(body), append(headers, "X-Hub-Signature-256", "sha256="+sign(testSecret, body))...)
			mu.Lock()
			codes[a.code]++
			mu.Unlock()
		})
	}
	all.Wait()
	return codes
}

func TestSlowClaimsOfLongBodiesMakeRoomForHistory(t *testing.T) {
	plain := historyBody(1 << 20)
	for what, attack := range map[string]struct {
		claims  int
		headers string
		history []byte
		coding  []string
	}{
		"lengths":                   {40, "Content-Length: 4000000\r\n", plain, nil},
		"lengths of encoded bodies": {6, "Content-Encoding: gzip\r\nContent-Length: 4000000\r\n", gz(t, plain), []string{"Content-Encoding", "gzip"}},
		"more than has room":        {100, "Content-Encoding: br\r\nContent-Length: 4100000\r\n", plain, nil},
	} {
		t.Run(what, func(t *testing.T) {
			cfg := testConfig()
			cfg.AckTimeout = 15 * time.Second // less than the slow claims may take, 20 s
			m := &rawtest.Memory{}
			s := start(t, cfg, m)
			s.setSlow(500 * time.Millisecond)
			if a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(testSecret, message)); a.code != 200 {
				t.Fatal(a.code) // the sender is known from now on
			}
			claimersOfRoom(t, s, attack.claims, attack.headers)
			if n := s.budget.decoding.taken.Load(); n != 0 {
				t.Errorf("%d bytes are reserved for decoding what nobody has signed", n)
			}
			if codes := history(t, s, 32, attack.history, attack.coding...); codes[200] != 32 {
				t.Errorf("answers %v, want 32 times 200", codes)
			}
			if n := len(m.Records()); n != 33 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// claimersOfRoom reserve as much of the room for long bodies as they can.
func claimersOfRoom(t *testing.T, s *running, n int, headers string) {
	t.Helper()
	claim(t, s, n, "POST /meta HTTP/1.1\r\nHost: x\r\n"+wrongSignature+headers+"\r\n"+strings.Repeat("x", 70_000),
		func() bool { return s.budget.long.taken.Load() >= 4<<20*int64(min(n, longBodiesThatFit(&s.cfg))) })
}

// claim lets n strangers from four addresses send the beginning of a request, and then a byte from time to time, until claimed
// holds. On a busy machine many are refused at first, so they come again until then.
func claim(t *testing.T, s *running, n int, request string, claimed func() bool) {
	t.Helper()
	enough := make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	for i := range n {
		all.Go(func() {
			for again := true; again; {
				c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}}).DialContext(t.Context(), "tcp", s.addr)
				if err != nil {
					return
				}
				ended := context.AfterFunc(t.Context(), func() { _ = c.Close() })
				if _, err := io.WriteString(c, request); err == nil {
					dribble(c, 'x')
				}
				ended()
				_ = c.Close()
				select {
				case <-enough:
					again = false
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	rawtest.WaitFor(t, "the room to be claimed", claimed)
	close(enough)
}

func TestSlowShortBodiesMakeRoomForMessages(t *testing.T) {
	for what, headers := range map[string]string{
		"lengths": "Content-Length: 60000\r\n",
		"chunks":  "Transfer-Encoding: chunked\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			cfg := testConfig()
			cfg.InFlightBytesMax = leastInFlight(&cfg)
			cfg.ReadTimeout = 5 * time.Minute // the slow bodies stay until the messages come, on a busy machine too
			s := start(t, cfg, &rawtest.Memory{})
			s.setSlow(0)
			begin := 20_000
			if strings.HasPrefix(headers, "Transfer") {
				headers, begin = headers+"\r\n"+fmt.Sprintf("%x", 60_000), 20_000
			}
			n := int(s.budget.shortMost/shortBytesMax) + 10
			claim(t, s, n, "POST /meta HTTP/1.1\r\nHost: x\r\n"+wrongSignature+headers+"\r\n"+strings.Repeat("x", begin),
				func() bool { return s.budget.short.Load() > s.budget.shortMost/4 })
			for i := range 100 {
				c := dialFrom(t, 9, s.addr)
				body := bytes.Repeat([]byte{' '}, 1+i*600)
				c.send(signed(body))
				if a := c.answer(); a.code != 200 {
					t.Fatalf("message of %d bytes: %d %s", len(body), a.code, a.body)
				}
				_ = c.Close()
			}
		})
	}
}

// TestClaimsOfStrangersLeaveRoomForWholeAndKnownBodies: no body is slow yet, and strangers claim all the room that they get. Messages
// that have arrived, and longer ones of a known sender, find room at once.
func TestClaimsOfStrangersLeaveRoomForWholeAndKnownBodies(t *testing.T) {
	for what, attack := range map[string]string{
		"one byte of a chunk":        "Transfer-Encoding: chunked\r\n\r\nffff\r\n{",
		"half of a chunk":            "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + strings.Repeat("{", 32<<10),
		"half of a length":           "Content-Length: 65000\r\n\r\n" + strings.Repeat("{", 32<<10),
		"long bodies, wait for room": "Content-Length: 4000000\r\n\r\n" + strings.Repeat("{", 70_000),
	} {
		t.Run(what, func(t *testing.T) {
			cfg := testConfig()
			cfg.InFlightBytesMax, cfg.PerClientMax = leastInFlight(&cfg), 0
			s := start(t, cfg, &rawtest.Memory{})
			s.setSlow(time.Minute)
			known := dialFrom(t, 9, s.addr)
			known.send(signed(message))
			if a := known.answer(); a.code != http.StatusOK {
				t.Fatal(a.code)
			}
			for i := range int(s.budget.shortMost/firstChunkBytes) + 10 {
				c := dialFrom(t, byte(2+i%4), s.addr)
				defer c.Close()
				c.send("POST /meta HTTP/1.1\r\nHost: x\r\n" + wrongSignature + attack)
			}
			rawtest.WaitFor(t, "the room to be claimed", func() bool { return s.budget.arriving[standingUnknown].Load() > s.budget.arrivingMost()-shortBytesMax })
			for i := range 50 {
				for from, size := range map[byte]int{8: 1 + i*100, 9: 1 + i*1000} { // 8 is not known
					c := dialFrom(t, from, s.addr)
					if from == 8 {
						c = dialFrom(t, byte(10+i), s.addr)
					}
					c.send(signed(bytes.Repeat([]byte{' '}, size)))
					if a := c.answer(); a.code != http.StatusOK {
						t.Fatalf("message of %d bytes, known %t: %d %s", size, from == 9, a.code, a.body)
					}
					_ = c.Close()
				}
			}
		})
	}
}

// TestClaimsBehindTheAddressOfASenderLeaveRoom: behind a proxy, strangers have the address of senders.
func TestClaimsBehindTheAddressOfASenderLeaveRoom(t *testing.T) {
	cfg := testConfig()
	cfg.InFlightBytesMax, cfg.PerClientMax = leastInFlight(&cfg), 0
	s := start(t, cfg, &rawtest.Memory{})
	s.setSlow(time.Minute)
	known := dialFrom(t, 9, s.addr)
	known.send(signed(message))
	if a := known.answer(); a.code != http.StatusOK {
		t.Fatal(a.code)
	}
	for range int(s.budget.shortMost/shortBytesMax) + 10 {
		c := dialFrom(t, 9, s.addr)
		defer c.Close()
		c.send("POST /meta HTTP/1.1\r\nHost: x\r\n" + wrongSignature + "Content-Length: 65000\r\n\r\n" + strings.Repeat("{", 32<<10))
	}
	rawtest.WaitFor(t, "the room to be claimed", func() bool { return s.budget.arriving[standingKnown].Load() > s.budget.arrivingMost()-shortBytesMax })
	for what, c := range map[string]struct {
		on   *conversation
		size int
	}{
		"on a new connection":           {dialFrom(t, 9, s.addr), 5000},
		"long, on the sender's own":     {known, 60_000},
		"long, from an unknown address": {dialFrom(t, 8, s.addr), 60_000},
	} {
		c.on.send(signed(bytes.Repeat([]byte{' '}, c.size)))
		if a := c.on.answer(); a.code != http.StatusOK {
			t.Errorf("message of %d bytes, %s: %d %s", c.size, what, a.code, a.body)
		}
	}
}

// TestTheNewestBodyOfStrangersFindsRoom: the bodies that have been arriving longest make room, and nothing stays reserved.
func TestTheNewestBodyOfStrangersFindsRoom(t *testing.T) {
	cfg := testConfig()
	cfg.InFlightBytesMax, cfg.PerClientMax = leastInFlight(&cfg), 0
	s := start(t, cfg, &rawtest.Memory{})
	s.setSlow(0)
	var all []*conversation
	send := func() {
		c := dialFrom(t, byte(2+len(all)%4), s.addr)
		all = append(all, c)
		c.send("POST /meta HTTP/1.1\r\nHost: x\r\n" + wrongSignature + "Content-Length: 65000\r\n\r\n" + strings.Repeat("{", 32<<10))
	}
	for range int(s.budget.arrivingMost()/shortBytesMax) + 20 {
		send()
	}
	rawtest.WaitFor(t, "the room to be claimed", func() bool {
		if s.budget.arriving[standingUnknown].Load() > s.budget.arrivingMost()-shortBytesMax {
			return true
		}
		time.Sleep(50 * time.Millisecond)
		send() // on a busy machine two may have made room for one
		return false
	})
	newest := dialFrom(t, 9, s.addr)
	newest.send(signed(bytes.Repeat([]byte{' '}, 60_000)))
	if a := newest.answer(); a.code != http.StatusOK {
		t.Errorf("a body of an unknown sender: %d %s", a.code, a.body)
	}
	for _, c := range all {
		_ = c.Close()
	}
	rawtest.WaitFor(t, "all to be released", func() bool { return s.budget.arriving[standingUnknown].Load() == 0 && s.budget.short.Load() == 0 })
}

// A short body reserves about the bytes that have arrived.
func TestShortBodiesOfStrangersCostWhatHasCome(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	claimers(t, s, 8, "Content-Length: 60000\r\n", 8192)
	if n := s.budget.reserved(); n > 8*firstBytes {
		t.Errorf("8 bodies of which 8 KiB have come take %d bytes", n)
	}
	// On a verified connection the whole body is reserved at once.
	c := dialFrom(t, 9, s.addr)
	c.send(signed(message))
	if a := c.answer(); a.code != 200 {
		t.Fatal(a.code)
	}
	before := s.budget.reserved()
	c.send("POST /meta HTTP/1.1\r\nHost: x\r\n" + wrongSignature + "Content-Length: 60000\r\n\r\n" + strings.Repeat("x", 8192))
	rawtest.WaitFor(t, "its room", func() bool { return s.budget.reserved() == before+shortBytesMax })
}

// paced sends a request in pieces, at perSecond bytes in a second. After a pause of the machine it makes up for it.
func paced(w io.Writer, request string, perSecond int) error {
	const every = 10 * time.Millisecond
	began := time.Now()
	for sent := 0; sent < len(request); {
		next := min(1+int(time.Since(began).Seconds()*float64(perSecond)), len(request))
		if next > sent {
			if _, err := io.WriteString(w, request[sent:next]); err != nil {
				return err
			}
		}
		sent = next
		<-time.After(every)
	}
	return nil
}

// Senders with slow lines are served while attackers reserve room: a history of 3 MB over a fair line, and short requests
// over slow ones.
func TestSlowButFairSendersAreServedBesideSlowClaims(t *testing.T) {
	cfg := testConfig()
	cfg.ReadTimeout, cfg.AckTimeout = time.Minute, 30*time.Second
	m := &rawtest.Memory{Refuse: func(_ *raw.Record, deadline time.Time) error {
		if !time.Now().Before(deadline) {
			return raw.ErrUnknown
		}
		return nil
	}}
	s := start(t, cfg, m)
	s.setSlow(500 * time.Millisecond) // a fair sender may wait for a core that long
	claimersOfRoom(t, s, 15, "Content-Length: 4000000\r\n")
	long := historyBody(3 << 20)
	var all sync.WaitGroup
	for what, sender := range map[string]struct {
		body []byte
		rate int
	}{
		"a history of 3 MB over a fair line": {long, 2 << 20},
		"a message over a slow line":         {bytes.Repeat([]byte{' '}, 30_000), 20_000},
		"headers over a slow line":           {[]byte("{}"), 100},
	} {
		c := dialFrom(t, 9, s.addr)
		all.Go(func() {
			if err := paced(c, signed(sender.body), sender.rate); err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			if a := c.answer(); a.code != 200 {
				t.Errorf("%s: %d %s", what, a.code, a.body)
			}
		})
	}
	// Meanwhile other long bodies wait for room.
	if codes := history(t, s, 16, long); codes[200] != 16 {
		t.Errorf("answers %v, want 16 times 200", codes)
	}
	all.Wait()
}

// The time of the transfer does not count for the deadline of the log.
func TestBodyThatWasLongOnItsWayHasTheWholeTimeOfTheLog(t *testing.T) {
	cfg := testConfig()
	clock := newHandClock()
	left := make(chan time.Duration, 1)
	s := startAt(t, cfg, &rawtest.Memory{Refuse: func(_ *raw.Record, deadline time.Time) error {
		left <- deadline.Sub(clock.Now())
		return nil
	}}, slog.New(slog.DiscardHandler), clock.Now)
	c := dial(t, s.addr)
	request := signed(bytes.Repeat([]byte{' '}, 30_000))
	c.send(request[:20_000])
	rawtest.WaitFor(t, "the body to begin", func() bool { return s.budget.reserved() > 0 })
	clock.advance(cfg.AckTimeout)
	c.send(request[20_000:])
	if a := c.answer(); a.code != 200 {
		t.Errorf("%d %s", a.code, a.body)
	}
	if d := <-left; d != cfg.AckTimeout {
		t.Errorf("%s are left of %s", d, cfg.AckTimeout)
	}
}

// There is no deadlock: many encoded bodies at once, signed over either form, are all accepted.
func TestManyEncodedBodiesAtOnceAreAllTaken(t *testing.T) {
	cfg := testConfig()
	cfg.InFlightBytesMax = leastInFlight(&cfg)
	cfg.AckTimeout = 20 * time.Second
	m := &rawtest.Memory{}
	s := start(t, cfg, m)
	plain := historyBody(1 << 20)
	wire := gz(t, plain)
	if len(wire) <= shortBytesMax {
		t.Fatalf("%d bytes on the wire", len(wire))
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range 48 {
		signedOver := [][]byte{wire, plain}[i%2]
		all.Go(func() {
			a := do(t, "POST", s.url+"/meta", bytes.NewReader(wire), "Content-Encoding", "gzip", "X-Hub-Signature-256", "sha256="+sign(testSecret, signedOver))
			if a.code != 200 {
				t.Errorf("%d %s", a.code, a.body)
			}
		})
	}
	all.Wait()
	if n := len(m.Records()); n != 48 {
		t.Errorf("%d records", n)
	}
	if n := s.budget.reserved(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}
