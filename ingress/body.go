package ingress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/internal/contentcoding"
)

// read reads the body into x.body, within the limit and the budget.
func (s *Server) read(ctx *fasthttp.RequestCtx, x *exchange) *refusal {
	stream := x.stream(ctx)
	if stream == nil {
		x.consumed = true
		return s.reserveDecoded(x, 0, 0)
	}
	length := -1
	if !x.chunked {
		length = ctx.Request.Header.ContentLength()
	}
	first := shortBytesMax
	if length >= 0 && length < first {
		first = length
	}
	if !s.budget.takeShort(roomFor(first)) {
		return refuseBytes
	}
	x.short = roomFor(first)
	x.wire = s.buffers.get(first)
	ended, r := fill(stream, x.wire, first, length)
	if r != nil {
		return r
	}
	if ended {
		x.body, x.consumed = x.wire.b, true
		return s.reserveDecoded(x, 0, len(x.body))
	}

	most := length
	if length < 0 {
		most = s.cfg.BodyBytesMax
	}
	if r := s.reserveDecoded(x, most, most); r != nil {
		return r
	}
	long := s.buffers.get(most)
	long.b = append(long.b, x.wire.b...)
	s.buffers.put(x.wire)
	x.wire = long
	s.budget.giveShort(x.short)
	x.short = 0
	if ended, r = fill(stream, x.wire, most, length); r != nil {
		return r
	}
	if !ended {
		// Chunked and exactly as long as allowed, or longer.
		var more [1]byte
		switch n, err := io.ReadFull(stream, more[:]); {
		case n > 0:
			return s.tooLong
		case err != io.EOF:
			return readRefusal(err)
		}
	}
	x.body, x.consumed = x.wire.b, true
	return nil
}

// served notes that nothing more is expected of the sender for now.
func (s *Server) served(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		return
	}
	c.enter(phaseServing, 0)
	if !c.verified {
		s.open.stand(c, placeNone)
	}
}

// stream is the body; nil when there is none.
func (x *exchange) stream(ctx *fasthttp.RequestCtx) io.Reader {
	stream := ctx.RequestBodyStream()
	if stream == nil || !x.chunked {
		return stream
	}
	if x.chunks.r == nil {
		x.chunks.r = stream
	}
	return &x.chunks
}

// reserveDecoded takes what a long body, and an encoded one when it is decoded, will need at most: in
// one piece, see budget.
func (s *Server) reserveDecoded(x *exchange, body, wire int) *refusal {
	n := int64(0)
	if body > 0 {
		n += roomFor(body)
	}
	if x.encoding != nil {
		n += int64(s.decoding.Bound(wire))
	}
	if n == 0 {
		return nil
	}
	if !s.budget.takeLong(n, x.deadline, s.now()) {
		return refuseBytes
	}
	x.long = n
	return nil
}

// fill reads until buf has most bytes or the body ends. length is the body's, -1 when not known.
func fill(stream io.Reader, buf *buffer, most, length int) (ended bool, r *refusal) {
	for len(buf.b) < most {
		n, err := stream.Read(buf.b[len(buf.b):most])
		buf.b = buf.b[:len(buf.b)+n]
		switch {
		case err == io.EOF && (length < 0 || len(buf.b) == length):
			return true, nil
		case err == io.EOF:
			return false, refuseIncomplete // the sender has gone
		case err != nil:
			return false, readRefusal(err)
		}
	}
	return length >= 0 && len(buf.b) == length, nil
}

func readRefusal(err error) *refusal {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return refuseTimeout
	}
	return refuseIncomplete
}

// decode undoes the content coding of x.body, and gives back what it did not need.
func (s *Server) decode(x *exchange) ([]byte, *refusal) {
	bound := int64(s.decoding.Bound(len(x.body)))
	// Webhooks shrink to a tenth; a larger one grows the buffer.
	x.decoded = s.buffers.get(min(10*len(x.body), int(bound)) + 1)
	out, err := contentcoding.Decode(x.decoded.b, x.encoding, x.body, s.decoding)
	if err != nil {
		return nil, decodeRefusal(err)
	}
	if cap(out) > cap(x.decoded.b) {
		s.buffers.put(x.decoded)
		x.decoded = &buffer{b: out, class: len(bufferSizes)}
	} else {
		x.decoded.b = out
	}
	if over := bound - int64(len(out)); over > 0 {
		s.budget.giveLong(over)
		x.long -= over
	}
	return out, nil
}

func decodeRefusal(err error) *refusal {
	code := fasthttp.StatusBadRequest
	switch {
	case errors.Is(err, contentcoding.ErrUnsupported):
		code = fasthttp.StatusUnsupportedMediaType
	case errors.Is(err, contentcoding.ErrTooLong):
		code = fasthttp.StatusRequestEntityTooLarge
	}
	return &refusal{code, kindEncoding, err.Error()}
}

func refuseLength(most int) *refusal {
	return &refusal{fasthttp.StatusRequestEntityTooLarge, "body", fmt.Sprintf("more than %d bytes", most)}
}

// encodingOf is the content coding that a request's headers tell, as one list; nil for identity.
func encodingOf(h *fasthttp.RequestHeader) []byte {
	one := h.ContentEncoding()
	if len(one) == 0 {
		return nil
	}
	if all := h.PeekAll(fasthttp.HeaderContentEncoding); len(all) > 1 {
		one = bytes.Join(all, []byte(", "))
	}
	if contentcoding.Identity(one) {
		return nil
	}
	return one
}

const (
	// discardBytesMax is how much of an unwanted body is read so that its sender hears the answer: a
	// connection that is closed with bytes unread is reset, and the answer may be lost with it.
	discardBytesMax = 256 << 10
	discardTimeout  = 500 * time.Millisecond
)

// discard gets rid of what was not read of the body, or of the connection: what is left in it must
// never be taken for the next request.
func (s *Server) discard(ctx *fasthttp.RequestCtx, x *exchange) {
	stream := x.stream(ctx)
	if stream == nil {
		return
	}
	if !x.chunked && ctx.Request.Header.ContentLength() > discardBytesMax {
		ctx.SetConnectionClose()
	}
	c := ctx.Conn()
	if err := c.SetReadDeadline(s.now().Add(discardTimeout)); err != nil {
		ctx.SetConnectionClose()
		return
	}
	buf := s.buffers.get(bufferSizes[0])
	defer s.buffers.put(buf)
	for total := 0; total < discardBytesMax; {
		n, err := stream.Read(buf.b[:cap(buf.b)])
		total += n
		if err == io.EOF {
			if c.SetReadDeadline(time.Time{}) != nil {
				break
			}
			return
		}
		if err != nil {
			break
		}
	}
	ctx.SetConnectionClose()
}
