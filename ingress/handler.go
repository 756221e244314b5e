package ingress

import (
	"bytes"
	"errors"
	"log/slog"
	"net"

	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/raw"
)

// handle serves one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	x := s.begin(ctx)
	src := s.source(&ctx.Request.Header)
	var r *refusal
	var framing *refusal
	if x.chunked, framing = framed(&ctx.Request.Header); framing != nil {
		r = framing
	} else {
		r = s.serve(ctx, src, x)
	}
	if r == refuseTimeout && wasEvicted(ctx.Conn()) {
		r = refuseEvicted
	}
	switch {
	case framing != nil || r == refuseEvicted || r == refuseIncomplete || r == refuseTimeout:
		ctx.SetConnectionClose() // the beginning of the next request is unknown
	case !x.consumed:
		s.discard(ctx, x)
	}
	s.end(ctx, src, x, r)
}

// expect handles `Expect: 100-continue`: refusals that need only the headers are answered before the body.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	src := s.source(&ctx.Request.Header)
	chunked, r := framed(&ctx.Request.Header)
	switch {
	case r != nil:
	case src == nil:
		r = refusePath
	case ctx.IsPost():
		if r = src.checkCertificate(ctx.Conn()); r != nil {
			break
		}
		x := s.pool.Get().(*exchange)
		x.chunked = chunked
		r = s.headers(ctx, src, x)
		s.pool.Put(x)
	}
	if r == nil {
		return fasthttp.StatusContinue
	}
	s.end(ctx, src, s.begin(ctx), r)
	return r.code
}

// broken answers a request that fasthttp could not parse.
func (s *Server) broken(ctx *fasthttp.RequestCtx, err error) {
	r := refuseHTTP
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		r = refuseHeader
	case errors.As(err, &timeout) && timeout.Timeout():
		if r = refuseTimeout; wasEvicted(ctx.Conn()) {
			r = refuseEvicted
		}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		r = s.tooLong
	}
	s.end(ctx, nil, s.begin(ctx), r)
}

func (s *Server) begin(ctx *fasthttp.RequestCtx) *exchange {
	x := s.pool.Get().(*exchange)
	x.begin(s.now(), s.cfg.AckTimeout)
	s.ids.next(&x.id)
	ctx.Response.Header.SetCanonical(headerRequestID, x.id[:])
	return x
}

// end writes the answer of a refused request, counts the request, and releases its resources.
func (s *Server) end(ctx *fasthttp.RequestCtx, src *source, x *exchange, r *refusal) {
	code, m := fasthttp.StatusOK, s.metrics.none
	if src != nil {
		m = src.metrics
	}
	if r != nil {
		code = r.code
		s.answers.refuse(&ctx.Response, src, r)
		if s.log.Enabled(ctx, slog.LevelDebug) {
			name := noSource
			if src != nil {
				name = string(src.name)
			}
			s.log.Debug("refused", "request_id", string(x.id[:]), "source", name, "code", code, "error", r.kind, "detail", r.detail)
		}
	}
	m.answered(code)
	m.duration.Observe(s.now().Sub(x.arrived).Seconds())
	x.end(&s.buffers, s.budget)
	s.pool.Put(x)
}

// serve handles a request of a source. It writes the answer of an accepted one.
func (s *Server) serve(ctx *fasthttp.RequestCtx, src *source, x *exchange) *refusal {
	if src == nil {
		return refusePath
	}
	if r := src.checkCertificate(ctx.Conn()); r != nil {
		return r
	}
	switch {
	case ctx.IsGet(), ctx.IsHead():
		return s.verify(ctx, src)
	case !ctx.IsPost():
		return refuseMethod
	}
	if r := s.headers(ctx, src, x); r != nil {
		return r
	}
	if !src.enter() {
		return refuseSourceBusy
	}
	defer src.leave()
	if r := src.overRate(x.arrived); r != nil {
		return r
	}
	if r := s.read(ctx, x); r != nil {
		return r
	}
	s.served(ctx, x)
	src.metrics.bodyBytes.Observe(float64(len(x.body)))
	value, plain, r := s.authenticate(ctx, src, x)
	s.noteSignature(ctx, x)
	if r != nil {
		return r
	}
	if r := src.countRate(x.arrived, len(x.body)); r != nil {
		return r
	}
	x.makeRecord(src, &ctx.Request.Header, value, plain)
	s.releaseUnused(x)
	if r := s.publish(x); r != nil {
		return r
	}
	if x.otherType {
		src.metrics.otherTypes.Inc()
	}
	s.answers.ok(&ctx.Response)
	return nil
}

// noteSignature marks the connection, and its client, by the outcome of the signature check.
func (s *Server) noteSignature(ctx *fasthttp.RequestCtx, x *exchange) {
	c, ok := ctx.Conn().(*conn)
	if !ok || !x.check {
		return
	}
	right := x.secretID != nil
	if right && !c.verified {
		s.unverified.clients.add(c.client)
	}
	s.open.noteSignature(c, right)
}

// headers makes the checks that need only the headers, and stores their values for the later ones.
func (s *Server) headers(ctx *fasthttp.RequestCtx, src *source, x *exchange) *refusal {
	h := &ctx.Request.Header
	if expect := h.Peek(fasthttp.HeaderExpect); expect != nil && !bytes.EqualFold(expect, []byte("100-continue")) {
		return refuseExpect
	}
	var r *refusal
	if x.signature, r = src.signatureOf(h); r != nil {
		return r
	}
	x.known = src.credentials.Load()
	if x.check = x.signature != nil && len(x.known.signers) > 0; x.check {
		var ok bool
		if x.stamp, ok = src.signature.Decode(&x.mac, x.signature); !ok {
			src.metrics.signatureMalformed.Inc()
			return refuseMalformed
		}
	}
	// A body with a right signature is accepted with any content type.
	if x.otherType = !accepts(h.ContentType()); x.otherType && !x.check {
		return refuseType
	}
	x.encoding = encodingOf(h)
	if !x.chunked && h.ContentLength() > s.cfg.BodyBytesMax {
		return s.tooLong
	}
	return nil
}

// authenticate checks the signature over the bytes as received, and else over the bytes without the content coding:
// proxies and senders differ in whether they sign before they compress. value are the bytes that were signed, which go
// into the log. plain is the body without content coding.
func (s *Server) authenticate(ctx *fasthttp.RequestCtx, src *source, x *exchange) (value, plain []byte, r *refusal) {
	matched := x.check && x.known.matches(x, x.body)
	switch {
	case x.encoding == nil:
		if x.check && !matched {
			src.metrics.signatureMismatch.Inc()
			return nil, nil, refuseMismatch
		}
		return x.body, x.body, nil
	case matched:
		plain, r = s.decode(x)
		return x.body, plain, r
	case !x.check:
		plain, r = s.decodeUnverified(ctx, x, false, func([]byte) bool { return true })
		return x.body, plain, r
	}
	plain, r = s.decodeUnverified(ctx, x, true, func(plain []byte) bool {
		matched = x.known.matches(x, plain)
		return matched
	})
	switch {
	case matched:
		x.encoding = nil
		return plain, plain, nil
	case r == refuseBytes || r == refuseUndecoded:
		return nil, nil, r
	}
	src.metrics.signatureMismatch.Inc()
	return nil, nil, refuseMismatch
}

// publish makes the record durable.
func (s *Server) publish(x *exchange) *refusal {
	err := s.durable.Publish(&x.record, x.deadline)
	switch {
	case err == nil:
		s.metrics.lanes[raw.Lane(x.record.Topic)].Inc()
		return nil
	case errors.Is(err, raw.ErrBusy):
		return refuseBytes
	case errors.Is(err, raw.ErrClosed):
		return refuseClosed
	case errors.Is(err, raw.ErrUnknown):
		return refuseUnknown
	case errors.Is(err, raw.ErrRejected):
		s.log.Error("a record cannot be written", "request_id", string(x.id[:]), "bytes", x.record.Bytes(), "error", err)
		return refuseRejected
	}
	return refuseLog
}
