package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// gate is a connection that came through a socket. It looks at the head of each request before the broker does:
//
//   - The broker makes room for as many bytes as a client says are to come, and ends the process at a request that
//     it does not know. So what is no request of Kafka's protocol, and what is too long, ends the connection.
//   - The broker's observers (journal.go, fetch.go) see requests before it asks who sent them. So, where clients have to
//     authenticate, nothing but the authentication passes until it has succeeded.
type gate struct {
	net.Conn
	bytesMax int // of a request

	// Of the reader.
	head [requestHead]byte
	had  int // bytes of the head that were handed on
	left int // bytes of the request that follow

	mu     sync.Mutex
	shut   bool        // the client has to authenticate first
	asked  []requested // requests that were not answered, while the gate is shut
	rounds int         // of the authentication that went well
}

// requested is what an answer is understood by.
type requested struct{ key, version int16 }

const (
	requestHead = 8 // length, key and version
	// strangersBytesMax bounds the requests of who has not authenticated.
	strangersBytesMax = 16 << 10
	// requestBytesMax is Kafka's own default (socket.request.max.bytes).
	requestBytesMax = 100 << 20
	// scramRounds are the answers to SaslAuthenticate in an authentication by SCRAM, which is the only one that the broker takes.
	scramRounds = 2
)

// gated puts a gate before the connections that come through the socket. Those from within the process need none.
type gated struct {
	net.Listener
	bytesMax int
	shut     bool
}

// Accept implements net.Listener.
func (l *gated) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if _, socket := conn.(*net.TCPConn); err != nil || !socket {
		return conn, err
	}
	return &gate{Conn: conn, bytesMax: l.bytesMax, shut: l.shut, had: requestHead}, nil
}

// Read implements net.Conn.
func (g *gate) Read(p []byte) (int, error) {
	if g.had == requestHead && g.left == 0 {
		if _, err := io.ReadFull(g.Conn, g.head[:]); err != nil {
			return 0, err
		}
		if err := g.admit(); err != nil {
			_ = g.Close()
			return 0, err
		}
		g.had = 0
	}
	if g.had < requestHead {
		n := copy(p, g.head[g.had:])
		g.had += n
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

var errShut = errors.New("the client has not authenticated")

// admit looks at the head of a request.
func (g *gate) admit() error {
	length := binary.BigEndian.Uint32(g.head[:])
	r := requested{int16(binary.BigEndian.Uint16(g.head[4:])), int16(binary.BigEndian.Uint16(g.head[6:]))}
	if length < requestHead-4 || length > uint32(g.bytesMax) || kmsg.RequestForKey(r.key) == nil {
		return fmt.Errorf("not a request of Kafka's protocol: key %d, %d bytes", r.key, length)
	}
	g.left = int(length) - (requestHead - 4)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		return nil
	}
	switch kmsg.Key(r.key) {
	case kmsg.ApiVersions, kmsg.SASLAuthenticate:
	case kmsg.SASLHandshake:
		g.rounds = 0
	default:
		return errShut
	}
	if length > strangersBytesMax || len(g.asked) > 2*scramRounds {
		return errShut
	}
	g.asked = append(g.asked, r)
	return nil
}

// Write implements net.Conn. The broker writes each answer whole, in the order of the requests.
func (g *gate) Write(p []byte) (int, error) {
	g.answered(p)
	return g.Conn.Write(p)
}

func (g *gate) answered(p []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut || len(g.asked) == 0 {
		return
	}
	r := g.asked[0]
	g.asked = g.asked[1:]
	if kmsg.Key(r.key) != kmsg.SASLAuthenticate {
		return
	}
	at := 8 // behind length and correlation id
	if r.version >= 2 {
		at++ // tagged fields of the head
	}
	if len(p) < at+2 || binary.BigEndian.Uint16(p[at:]) != 0 {
		g.rounds = 0
		return
	}
	if g.rounds++; g.rounds == scramRounds {
		g.shut, g.asked = false, nil
	}
}
