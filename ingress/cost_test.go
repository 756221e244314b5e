package ingress

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/cost"
)

// TestCosts covers a request from its first byte on a connection to the record that is handed to a Durable, and its
// answer.
func TestCosts(t *testing.T) {
	cost.Check(t,
		cost.Operation{Name: "request of 1 KB", Per: "request", Times: 500, Start: requests(rawtest.Message(1))},
		cost.Operation{Name: "request of 1 MB history", Per: "request", Times: 4, Start: requests(rawtest.History(1 << 20))},
	)
}

// requests serves one connection on which the same signed webhook comes again and again.
func requests(body []byte) func(t *testing.T) func(times int) {
	return func(t *testing.T) func(int) {
		s := start(t, testConfig(), discarding{})
		request := fmt.Appendf(nil, "POST /meta HTTP/1.1\r\nHost: ingress\r\nUser-Agent: facebookexternalua\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n%s",
			sign(testSecret, body), len(body), body)
		return func(times int) {
			c := &playedConn{request: request, left: times}
			if err := s.http.ServeConn(c); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if c.accepted != times {
				t.Fatalf("%d of %d requests were answered with 200; the last answer: %s", c.accepted, times, c.last)
			}
		}
	}
}

// playedConn is a connection without a network: it gives the same request so many times, one after the other's answer,
// and counts the answers.
type playedConn struct {
	idleConn
	request  []byte
	at, left int
	accepted int
	last     []byte
}

func (c *playedConn) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.request[c.at:])
	if c.at += n; c.at == len(c.request) {
		c.at, c.left = 0, c.left-1
	}
	return n, nil
}

func (c *playedConn) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b[:min(len(b), 12)]), "HTTP/1.1 200") {
		c.accepted++
	}
	c.last = append(c.last[:0], b...)
	return len(b), nil
}

func (*playedConn) Close() error                     { return nil }
func (*playedConn) SetDeadline(time.Time) error      { return nil }
func (*playedConn) SetWriteDeadline(time.Time) error { return nil }
