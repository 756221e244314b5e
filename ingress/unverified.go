package ingress

import (
	"time"

	"github.com/valyala/fasthttp"
)

// unverifiedDecoding bounds what is spent on decoding bodies that nobody has been shown to have signed: those whose signature
// is not over the bytes as received, and so may be over what they are without their coding; and those of sources that need no
// signature. What proves right costs nothing of it. What was decoded in vain is charged, in bytes, to the
// client and to all clients of its kind:
//
//   - strangers, from whose address nothing right has come lately,
//   - known addresses, which strangers so cannot keep out; a connection on which the last signature was right is asked nothing,
//   - requests without a signature, where the source needs none.
type unverifiedDecoding struct {
	clients                  *knownClients
	unknown, known, unsigned *allowance
	turn                     chan struct{} // of the one that is decoded
}

// The bytes decoded in vain that are allowed in a second. A core decodes some hundred million.
const (
	wastedBytesPerSecond       = 8 << 20
	wastedBytesPerSecondClient = 2 << 20
)

func newUnverifiedDecoding() *unverifiedDecoding {
	some := func(client float64) *allowance {
		return newAllowance(client, wastedBytesPerSecond, time.Second, time.Second)
	}
	return &unverifiedDecoding{
		clients: newKnownClients(),
		unknown: some(wastedBytesPerSecondClient), known: some(0), unsigned: some(wastedBytesPerSecondClient),
		turn: make(chan struct{}, 1),
	}
}

// clientOfRequest is the client that a request comes from.
func clientOfRequest(ctx *fasthttp.RequestCtx) clientAddress {
	if c, ok := ctx.Conn().(*conn); ok {
		return c.client
	}
	return clientAddress{}
}

// decodeUnverified decodes a body of which nothing is proven, if so much is still allowed. right tells whether the result
// proves something.
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

// mayDecode waits for a turn, and tells why there is none.
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
	// The others may have used it up meanwhile.
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
	s.metrics.wastedBytes.Add(float64(bytes))
}
