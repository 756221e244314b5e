package ingress

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/listen"
)

// limitedListener refuses connections over a limit with a 503 and Retry-After.
type limitedListener struct {
	net.Listener
	open    *openConns
	most    int
	answers *answers
	ids     *requestIDs
	refused func()

	mostOfClient int         // connections of one client; 0: no limit
	tls          *tls.Config // nil: plain text
	metrics      *serverMetrics
	// writeSlack is that of the connections.
	writeSlack time.Duration

	log         *slog.Logger
	failureTold time.Time // when a failure of accept was logged last

	slots chan struct{} // one for each refusal that is being written
	wg    sync.WaitGroup
}

const (
	refusalSlots     = 64
	refusalTimeout   = 500 * time.Millisecond
	failureTellEvery = time.Minute
)

func newLimitedListener(ln net.Listener, open *openConns, most int, a *answers, ids *requestIDs, refused func()) *limitedListener {
	l := &limitedListener{open: open, most: most, answers: a, ids: ids, refused: refused, slots: make(chan struct{}, refusalSlots)}
	l.Listener = listen.Lasting{Listener: ln, Failed: l.failed}
	return l
}

// Accept returns the next connection within the limit.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(c.RemoteAddr())
		over := l.open.makeRoom(client, l.most, l.mostOfClient)
		if over == limitNone {
			return l.admit(c, client), nil
		}
		l.refused()
		if over == limitClient {
			l.metrics.refusedClient.Inc()
		} else {
			l.metrics.refusedAll.Inc()
		}
		if l.tls != nil {
			_ = c.Close() // an answer would cost a handshake
			continue
		}
		select {
		case l.slots <- struct{}{}:
			l.wg.Go(func() {
				l.refuse(c)
				<-l.slots
			})
		default:
			_ = c.Close() // too many refusals are being written
		}
	}
}

// failed counts a connection that could not be accepted. Without room in the process or the machine, such as too many open
// files, it evicts a connection.
func (l *limitedListener) failed(err error, shortage bool) {
	if now := time.Now(); now.Sub(l.failureTold) >= failureTellEvery {
		l.failureTold = now
		l.log.Warn("cannot accept connections; trying again", "error", err)
	}
	if !shortage {
		l.metrics.acceptOther.Inc()
		return
	}
	l.metrics.acceptShortage.Inc()
	l.open.evictOne(l.most)
}

// admit wraps a connection for the server.
func (l *limitedListener) admit(c net.Conn, client clientAddress) net.Conn {
	own := &conn{Conn: c, writeSlack: l.writeSlack, client: client, unread: l.metrics.unread}
	if l.tls != nil {
		own.secure = tls.Server(c, l.tls)
		own.Conn = own.secure
		own.handshake = func(error) { l.metrics.handshakes.Inc() }
	}
	return own
}

// refuse answers once a request has begun to arrive, because clients treat an earlier answer as an error. Then it reads a
// little more, so that the client receives the answer.
func (l *limitedListener) refuse(c net.Conn) {
	defer func() { _ = c.Close() }()
	if c.SetDeadline(time.Now().Add(refusalTimeout)) != nil {
		return
	}
	var first [1]byte
	if _, err := c.Read(first[:]); err != nil {
		return
	}
	var id [requestIDBytes]byte
	l.ids.next(&id)
	body := refuseConnections.line()
	_, err := fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: %s\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n%s",
		jsonType, len(body), l.answers.retryAfter, id[:], body)
	if err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, discardBytesMax)
}

// wait returns when the last refusal is written.
func (l *limitedListener) wait() { l.wg.Wait() }
