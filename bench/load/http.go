package load

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/valyala/fasthttp"
)

// signing is shared by all connections. For each template it has the head of the request with a place for the
// signature, the bytes around the slot, and the HMAC's state.
type signing struct {
	heads  [][]byte
	wires  []wire
	states []midstate
	signed bool
}

const signatureDigits = 64

// newSigning prepares the requests. The signature is the last header, so that its place is known.
func newSigning(spec Spec, ts *Templates) (*signing, error) {
	u, err := url.Parse(spec.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the URL %q: %w", spec.URL, err)
	}
	s := &signing{signed: spec.Secret != ""}
	for i := range ts.all {
		t := newWire(&ts.all[i], spec.Wrap)
		s.wires = append(s.wires, t)
		head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", u.RequestURI(), u.Host, t.length)
		if _, ok := spec.Headers["Content-Type"]; !ok {
			head = append(head, "Content-Type: application/json\r\n"...)
		}
		for _, name := range slices.Sorted(maps.Keys(spec.Headers)) {
			head = fmt.Appendf(head, "%s: %s\r\n", name, spec.Headers[name])
		}
		if s.signed {
			head = fmt.Appendf(head, "X-Hub-Signature-256: sha256=%0*d\r\n", signatureDigits, 0)
			m, err := newMidstate([]byte(spec.Secret), t.prefix)
			if err != nil {
				return nil, err
			}
			s.states = append(s.states, m)
		}
		s.heads = append(s.heads, append(head, "\r\n"...))
	}
	return s, nil
}

// wire is a template in a request: the bytes before the identity, and a function for the rest.
type wire struct {
	prefix []byte
	length int
	// Of a wrapped body: the end of its prefix, which shares its base64 digits with the slot.
	wrapped bool
	rest    []byte
	suffix  []byte
}

// Parts of an OTLP/JSON request. A bytesValue, unlike a stringValue, arrives in the topic unchanged.
const (
	otlpBefore = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"bytesValue":"`
	otlpAfter  = `"}}]}]}]}`
)

func newWire(t *template, wrap string) wire {
	if wrap != WrapOTLP {
		return wire{prefix: t.prefix, suffix: t.suffix, length: t.length()}
	}
	const group = 3 // bytes that are four digits of base64
	whole := len(t.prefix) / group * group
	return wire{
		prefix:  base64.StdEncoding.AppendEncode([]byte(otlpBefore), t.prefix[:whole]),
		wrapped: true, rest: t.prefix[whole:], suffix: t.suffix,
		length: len(otlpBefore) + base64.StdEncoding.EncodedLen(t.length()) + len(otlpAfter),
	}
}

// end returns the bytes behind the prefix, in two pieces. buf is for the first one.
func (w *wire) end(buf, slot []byte) (first, second []byte) {
	if !w.wrapped {
		return slot, w.suffix
	}
	raw := slices.Concat(w.rest, slot, w.suffix)
	return append(base64.StdEncoding.AppendEncode(buf[:0], raw), otlpAfter...), nil
}

// connection is a keep-alive connection with one request at a time, written with as little work as can be:
// the load shares the machine with what it loads.
type connection struct {
	spec    Spec
	address string
	signing *signing
	signer  signer
	ctx     context.Context //nolint:containedctx // a connection that broke is dialled again
	c       net.Conn
	r       *bufio.Reader
	answer  fasthttp.Response
	head    []byte // with a small body
	slot    [identityLen]byte
	end     []byte
}

// smallBody is up to which size a body is copied behind its head, for one write of one piece.
const smallBody = 64 << 10

func dial(ctx context.Context, spec Spec, s *signing) (*connection, error) {
	u, err := url.Parse(spec.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the URL %q: %w", spec.URL, err)
	}
	c := &connection{spec: spec, address: u.Host, signing: s, signer: signer{h: newResumable()}, ctx: ctx, r: bufio.NewReaderSize(nil, 4<<10)}
	return c, c.connect()
}

func (c *connection) connect() error {
	conn, err := (&net.Dialer{Timeout: c.spec.Timeout}).DialContext(c.ctx, "tcp", c.address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.address, err)
	}
	c.c = conn
	c.r.Reset(conn)
	return nil
}

func (c *connection) close() {
	if c.c != nil {
		_ = c.c.Close() // nothing of interest is left on it
		c.c = nil
	}
}

func (c *connection) send(_ *template, number uint16, id Identity) (int, error) {
	w := &c.signing.wires[number]
	if c.c == nil {
		if err := c.connect(); err != nil {
			return 0, err
		}
	}
	id.put(c.slot[:])
	first, second := w.end(c.end, c.slot[:])
	if w.wrapped {
		c.end = first
	}
	c.head = append(c.head[:0], c.signing.heads[number]...)
	if c.signing.signed {
		const behind = len("\r\n\r\n")
		at := len(c.head) - behind - signatureDigits
		if err := c.signer.sign(c.head[at:], &c.signing.states[number], first, second); err != nil {
			return 0, err
		}
	}
	status, err := c.exchange(w.length, w.prefix, first, second)
	if err != nil {
		c.close()
		return 0, fmt.Errorf("post to %s: %w", c.spec.URL, err)
	}
	return status, nil
}

func (c *connection) exchange(length int, body ...[]byte) (int, error) {
	if err := c.c.SetDeadline(time.Now().Add(c.spec.Timeout)); err != nil {
		return 0, err
	}
	if err := c.write(length, body); err != nil {
		return 0, err
	}
	const answerBytesMax = 1 << 20
	if err := c.answer.ReadLimitBody(c.r, answerBytesMax); err != nil {
		return 0, err
	}
	if c.answer.ConnectionClose() {
		c.close()
	}
	return c.answer.StatusCode(), nil
}

func (c *connection) write(length int, body [][]byte) error {
	if length <= smallBody {
		for _, piece := range body {
			c.head = append(c.head, piece...)
		}
		_, err := c.c.Write(c.head)
		return err
	}
	pieces := append(net.Buffers{c.head}, body...)
	_, err := pieces.WriteTo(c.c)
	return err
}
