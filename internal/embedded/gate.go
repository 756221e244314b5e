package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/listen"
)

// gate is a connection through a socket. It checks the head of each request before the broker reads it:
//
//   - The broker allocates as many bytes as a client announces, and ends the process at an unknown request. So bytes
//     that are no request of Kafka's protocol, or too long, end the connection.
//   - The broker's observers (journal.go, fetch.go) see requests before it checks their sender. So, if clients have to
//     authenticate, only the authentication passes until it has succeeded.
//   - Clients of librdkafka, such as kcat, authenticate only if version 0 of the handshake is offered. They then use
//     version 1, the only one of the broker. So version 0 is offered.
type gate struct {
	net.Conn
	bytesMax int // of a request

	// Of the reader.
	head [requestHead]byte
	had  int // bytes of the head that were handed on
	left int // bytes of the request that follow

	mu     sync.Mutex
	shut   bool        // the client has to authenticate first
	asked  []requested // requests without an answer yet, while the gate is shut
	rounds int         // successful rounds of the authentication

	member *listen.Connection // of the listener's connections; nil: of none
}

// requested has the properties of a request that are needed to read its answer.
type requested struct{ key, version int16 }

const (
	requestHead = 8 // length, key and version
	// strangersBytesMax bounds the requests of clients that have not authenticated.
	strangersBytesMax = 16 << 10
	// strangersPatience is how long a client may take to authenticate.
	strangersPatience = 10 * time.Second
	// requestBytesMax is Kafka's own default (socket.request.max.bytes).
	requestBytesMax = 100 << 20
	// scramRounds are the answers to SaslAuthenticate in an authentication by SCRAM, which is the only one that the broker takes.
	scramRounds = 2
)

// gated puts a gate before the connections through the socket, and limits their number. Connections that have sent no
// request, or have not authenticated where they have to, wait. Clients do both at once. Connections within the process
// need neither gate nor limit.
type gated struct {
	net.Listener
	bytesMax    int
	shut        bool
	connections *listen.Connections
}

// silentPart is the part of all connections that may wait.
const silentPart = 4

// Accept implements net.Listener.
func (l *gated) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, socket := conn.(*net.TCPConn); !socket {
		return conn, nil
	}
	m := l.connections.Enter(conn)
	g := newGate(m, l.bytesMax, l.shut)
	g.member = m
	return g, nil
}

func newGate(conn net.Conn, bytesMax int, shut bool) *gate {
	if shut {
		_ = conn.SetReadDeadline(time.Now().Add(strangersPatience)) // fails where reading will, too
	}
	return &gate{Conn: conn, bytesMax: bytesMax, shut: shut, had: requestHead}
}

// used records that the client has sent an allowed request.
func (g *gate) used() {
	if g.member != nil {
		g.member.Use()
	}
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

// admit checks the head of a request.
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
		g.used()
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
func (g *gate) Write(p []byte) (int, error) { return g.Conn.Write(g.answer(p)) }

// answerHead is the length and the correlation id of an answer.
const answerHead = 8

// answer records an answer, and returns the bytes for the client, of the same length.
func (g *gate) answer(p []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut || len(g.asked) == 0 || len(p) < answerHead {
		return p
	}
	r := g.asked[0]
	g.asked = g.asked[1:]
	switch kmsg.Key(r.key) {
	case kmsg.ApiVersions:
		return offerHandshake(p, r.version)
	case kmsg.SASLAuthenticate:
		g.authenticated(p, r)
	}
	return p
}

// offerHandshake changes an answer to ApiVersions so that it offers version 0 of the handshake, too.
func offerHandshake(p []byte, version int16) []byte {
	versions := kmsg.NewPtrApiVersionsResponse()
	versions.SetVersion(version)
	if versions.ReadFrom(p[answerHead:]) != nil || versions.ErrorCode != 0 {
		return p
	}
	for i := range versions.ApiKeys {
		if k := &versions.ApiKeys[i]; kmsg.Key(k.ApiKey) == kmsg.SASLHandshake {
			k.MinVersion = 0
		}
	}
	if changed := versions.AppendTo(append(make([]byte, 0, len(p)), p[:answerHead]...)); len(changed) == len(p) {
		return changed
	}
	return p
}

func (g *gate) authenticated(p []byte, r requested) {
	at := answerHead
	if r.version >= 2 {
		at++ // tagged fields of the head
	}
	if len(p) < at+2 || binary.BigEndian.Uint16(p[at:]) != 0 {
		g.rounds = 0
		return
	}
	if g.rounds++; g.rounds == scramRounds {
		g.shut, g.asked = false, nil
		g.used()
		_ = g.SetReadDeadline(time.Time{}) // fails where reading will, too
	}
}
