package ingress

import (
	"time"

	"github.com/valyala/fasthttp"
)

// unverifiedDecoding bounds the decoding of bodies before their signature is verified. A signature that does not match the
// bytes as received may match the decoded bytes, and sources may need no signature. Decoding that ends in a right
// signature is free. Decoding without one is charged in bytes, to the client and to all clients of its kind:
//
//   - unknown clients, whose address sent no right signature lately
//   - known clients; they have a limit of their own, so that unknown ones cannot use it up
//   - requests without a signature, where the source needs none
//
// Verified connections are not limited.
type unverifiedDecoding struct {
	clients                  *knownClients
	unknown, known, unsigned *allowance
	turn                     chan struct{} // capacity 1: one body is decoded at a time
}

// The bytes per second that may be decoded without a right signature. A core decodes some hundred million.
const (
	unverifiedBytesPerSecond       = 8 << 20
	unverifiedBytesPerSecondClient = 2 << 20
)

func newUnverifiedDecoding() *unverifiedDecoding {
	some := func(client float64) *allowance {
		return newAllowance(client, unverifiedBytesPerSecond, time.Second, time.Second)
	}
	return &unverifiedDecoding{
		clients: newKnownClients(),
		unknown: some(unverifiedBytesPerSecondClient), known: some(0), unsigned: some(unverifiedBytesPerSecondClient),
		turn: make(chan struct{}, 1),
	}
}

// clientOfRequest returns the client of a request.
func clientOfRequest(ctx *fasthttp.RequestCtx) clientAddress {
	if c, ok := ctx.Conn().(*conn); ok {
		return c.client
	}
	return clientAddress{}
}

// decodeUnverified decodes a body within the limits. right reports whether the decoded bytes have a right signature.
func (s *Server) decodeUnverified(ctx *fasthttp.RequestCtx, x *exchange, signed bool, right func(plain []byte) bool) ([]byte, *refusal) {
	u, client := s.unverified, clientOfRequest(ctx)
	from := u.unsigned
	if signed {
		if from = u.unknown; u.clients.has(client) {
			from = u.known
		}
	}
	if unverifiedConn(ctx) != nil || !signed {
		if r := s.startDecoding(from, client, x); r != nil {
			return nil, r
		}
		defer func() { <-u.turn }()
	}
	plain, r := s.decode(x)
	switch {
	case r == refuseBytes:
		return nil, r
	case r != nil:
		s.chargeDecoding(from, client, s.decoding.Bound(len(x.body)))
	case !right(plain):
		s.chargeDecoding(from, client, len(x.body)+len(plain))
	}
	return plain, r
}

// startDecoding waits until no other body is being decoded. It returns a refusal at a limit or at the deadline.
func (s *Server) startDecoding(from *allowance, client clientAddress, x *exchange) *refusal {
	timer := time.NewTimer(x.deadline.Sub(s.now()))
	defer timer.Stop()
	if r := s.overDecodingLimit(from, client); r != nil {
		return r
	}
	select {
	case s.unverified.turn <- struct{}{}:
	case <-timer.C:
		return refuseBytes
	}
	// Others may have used up the limit meanwhile.
	if r := s.overDecodingLimit(from, client); r != nil {
		<-s.unverified.turn
		return r
	}
	return nil
}

func (s *Server) overDecodingLimit(from *allowance, client clientAddress) *refusal {
	switch from.exhausted(client) {
	case limitClient:
		s.metrics.undecodedClient.Inc()
		return refuseUndecoded
	case limitAll:
		s.metrics.undecodedAll.Inc()
		return refuseUndecoded
	}
	return nil
}

func (s *Server) chargeDecoding(from *allowance, client clientAddress, bytes int) {
	from.charge(client, bytes)
	s.metrics.unverifiedDecodedBytes.Add(int64(bytes))
}
