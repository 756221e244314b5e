package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// echoServer answers each line with itself.
func echoServer(t *testing.T) (addr string, served func() int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	lines := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					lines <- struct{}{}
					if _, err := io.WriteString(c, line); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), func() int { return len(lines) }
}

func newTestLink(t *testing.T) (*link, func() int) {
	t.Helper()
	addr, served := echoServer(t)
	l, err := newLink(t.Context(), "test", "server", anyPort, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l, served
}

type testClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialTest(t *testing.T, addr string) *testClient {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &testClient{t, c, bufio.NewReader(c)}
}

func (c *testClient) send() error {
	_, err := io.WriteString(c.conn, "hello\n")
	return err
}

// answer waits for one as long as limit.
func (c *testClient) answer(limit time.Duration) error {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		c.t.Fatal(err)
	}
	_, err := c.in.ReadString('\n')
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

const (
	longEnough = 20 * time.Second
	aMoment    = 100 * time.Millisecond
)

func TestAnOpenLinkForwards(t *testing.T) {
	l, _ := newTestLink(t)
	c := dialTest(t, l.addr())
	for range 3 {
		if err := errors.Join(c.send(), c.answer(longEnough)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACutLinkResetsOldAndNewConnections(t *testing.T) {
	l, _ := newTestLink(t)
	old := dialTest(t, l.addr())
	if err := errors.Join(old.send(), old.answer(longEnough)); err != nil {
		t.Fatal(err)
	}
	l.set(linkCut, 0)
	if err := old.answer(longEnough); err == nil || isTimeout(err) {
		t.Errorf("the old connection: %v", err)
	}
	// A new one may be reset as early as in its making.
	if nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.addr()); err == nil {
		defer nc.Close() //nolint:errcheck // reset already
		late := &testClient{t, nc, bufio.NewReader(nc)}
		_ = late.send()
		if err := late.answer(longEnough); err == nil || isTimeout(err) {
			t.Errorf("a new connection: %v", err)
		}
	} else if isTimeout(err) {
		t.Errorf("a new connection: %v", err)
	}
	l.set(linkOpen, 0)
	c := dialTest(t, l.addr())
	if err := errors.Join(c.send(), c.answer(longEnough)); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

func TestAStalledLinkDeliversWhenItOpens(t *testing.T) {
	l, served := newTestLink(t)
	old := dialTest(t, l.addr())
	if err := errors.Join(old.send(), old.answer(longEnough)); err != nil {
		t.Fatal(err)
	}
	l.set(linkStalled, 0)
	fresh := dialTest(t, l.addr())
	for _, c := range []*testClient{old, fresh} {
		if err := c.send(); err != nil {
			t.Fatal(err)
		}
		if err := c.answer(aMoment); !isTimeout(err) {
			t.Errorf("while it is stalled: %v", err)
		}
	}
	if n := served(); n != 1 {
		t.Errorf("the broker has seen %d requests, want the first one", n)
	}
	l.set(linkOpen, 0)
	for _, c := range []*testClient{old, fresh} {
		if err := c.answer(longEnough); err != nil {
			t.Errorf("after it opened: %v", err)
		}
	}
}

func TestADeafLinkLosesAnswersAndThenTheConnection(t *testing.T) {
	l, served := newTestLink(t)
	c := dialTest(t, l.addr())
	l.set(linkDeaf, 0)
	if err := c.send(); err != nil {
		t.Fatal(err)
	}
	if err := until(t.Context(), longEnough, func() bool { return served() == 1 }); err != nil {
		t.Fatalf("the request did not arrive: %v", err)
	}
	if err := c.answer(aMoment); !isTimeout(err) {
		t.Errorf("the answer: %v", err)
	}
	l.set(linkOpen, 0)
	if err := c.answer(longEnough); err == nil || isTimeout(err) {
		t.Errorf("the connection whose answer was lost: %v", err)
	}
}

func TestASlowLinkDelays(t *testing.T) {
	l, _ := newTestLink(t)
	const delay = 50 * time.Millisecond
	l.set(linkOpen, delay)
	c := dialTest(t, l.addr())
	began := time.Now()
	if err := errors.Join(c.send(), c.answer(longEnough)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back in %s, with %s each way", took, delay)
	}
}

func TestTheLinksBetweenTwo(t *testing.T) {
	var all links
	for _, ends := range []string{"ingress broker-0", "ingress broker-1", "broker-0 broker-1", "broker-0 broker-2", "broker-1 broker-0", "broker-2 broker-1", "sender ingress"} {
		from, to, _ := strings.Cut(ends, " ")
		all = append(all, &link{from: from, to: to})
	}
	for target, want := range map[string]string{
		"ingress~broker-1":     "ingress>broker-1",
		"ingress~every-broker": "ingress>broker-0 ingress>broker-1",
		"broker-0~broker-1":    "broker-0>broker-1 broker-1>broker-0",
		"broker-1~broker-2":    "broker-2>broker-1",
		// Its own clients reach it all the same.
		"broker-0~every-broker": "broker-0>broker-1 broker-0>broker-2 broker-1>broker-0",
		"broker-0>every-broker": "broker-0>broker-1 broker-0>broker-2",
		"broker-1<every-broker": "broker-0>broker-1 broker-2>broker-1",
		"broker-1<broker-2":     "broker-2>broker-1",
		"sender~ingress":        "sender>ingress",
	} {
		found, err := all.between(target)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, l := range found {
			got = append(got, l.from+">"+l.to)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %s, want %s", target, g, want)
		}
	}
	for _, target := range []string{"sender~broker-0", "ingress", "processor-1~every-broker", "sender~every-broker", "broker-1>broker-2"} {
		if _, err := all.between(target); err == nil {
			t.Errorf("%s: no error", target)
		}
	}
}
