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

// prefetchedBytes is the part of a body with a length that fasthttp reads before the handler runs.
const prefetchedBytes = 8 << 10

// firstBytes is reserved first for a body of an unverified connection, whose speed is not known yet. Of a chunked body,
// one byte has arrived then, so that firstChunkBytes are reserved.
const (
	firstBytes      = 16 << 10
	firstChunkBytes = 4 << 10
)

// read reads the body into x.body, within the limit and the budget.
func (s *Server) read(ctx *fasthttp.RequestCtx, x *exchange) *refusal {
	stream := x.stream(ctx)
	if stream == nil {
		x.consumed = true
		return nil
	}
	length, from := -1, unverifiedConn(ctx)
	if !x.chunked {
		if length = ctx.Request.Header.ContentLength(); length <= prefetchedBytes {
			from = nil // all of it is there
		}
	}
	if from != nil {
		x.standing = standingUnknown
		if s.unverified.clients.has(from.client) {
			x.standing = standingKnown
		}
		s.open.receiveShort(from, x.standing)
	}
	short := shortBytesMax
	if length >= 0 && length < short {
		short = length
	}
	// For an unverified connection, room is reserved as the bytes arrive.
	steps := [...]int{firstChunkBytes, firstBytes, short}
	begin := len(steps) - 1
	switch {
	case from != nil && x.chunked:
		begin = 0
	case from != nil && short > firstBytes:
		begin = 1
	}
	for _, step := range steps[begin:] {
		if r := s.growShort(x, step, from); r != nil {
			return r
		}
		ended, r := readInto(stream, x.wire, step, length, from)
		if r != nil {
			return r
		}
		if ended {
			x.releaseArriving(s.budget)
			x.body, x.consumed = x.wire.b, true
			return nil
		}
	}
	most := length
	if length < 0 {
		most = s.cfg.BodyBytesMax
	}
	if r := s.growLong(x, most, from); r != nil {
		return r
	}
	ended, r := readInto(stream, x.wire, most, length, from)
	if r != nil {
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

// unverifiedConn is the connection of a request, where its sender has not shown that it knows a secret; else nil.
func unverifiedConn(ctx *fasthttp.RequestCtx) *conn {
	if c, ok := ctx.Conn().(*conn); ok && !c.verified {
		return c
	}
	return nil
}

// growShort reserves n bytes for a short body, or for the beginning of a long one. Bodies on unverified connections have
// shares of this room while they arrive. The oldest of a share makes room for the newest.
func (s *Server) growShort(x *exchange, n int, from *conn) *refusal {
	room := roomFor(n)
	more := room - x.short
	if from != nil {
		if !s.budget.acquireArriving(room-x.arriving, x.standing, s.open.evictArriving) {
			return refuseBytes
		}
		x.arriving = room
	}
	taken := s.budget.acquireShort(more)
	if !taken || s.budget.scarce() {
		s.open.evictSlowShort()
	}
	if !taken {
		return refuseBytes
	}
	x.short += more
	s.grow(x, n)
	return nil
}

// growLong reserves at most n bytes for a long body. It may wait.
func (s *Server) growLong(x *exchange, n int, from *conn) *refusal {
	room, now := roomFor(n), s.now()
	deadline := now.Add(s.cfg.AckTimeout) // independent of the time that the beginning took
	if from != nil {
		s.open.enqueue(from, placeNone) // it is not slow while it waits
		if wasEvicted(from) {
			return refuseEvicted // its room belongs to another body already
		}
	}
	if from != nil && !s.unverified.clients.has(from.client) {
		if !s.budget.unverified.acquire(room, deadline, now, s.open) {
			return refuseBytes
		}
		x.unverified = room
	}
	if !s.budget.long.acquire(room, deadline, now, s.open) {
		return refuseBytes
	}
	x.long = room
	if from != nil {
		s.open.receiveLong(from, room)
	}
	s.grow(x, n)
	x.releaseArriving(s.budget)
	s.budget.releaseShort(x.short)
	x.short = 0
	return nil
}

// grow replaces the buffer by one for n bytes.
func (s *Server) grow(x *exchange, n int) {
	larger := s.buffers.get(n)
	if x.wire != nil {
		larger.b = append(larger.b, x.wire.b...)
		s.buffers.put(x.wire)
	}
	x.wire = larger
}

// served ends the phase of reading. The log gets the whole AckTimeout, however long the body took to arrive: a body that
// is sent only once should not be lost on a slow line.
func (s *Server) served(ctx *fasthttp.RequestCtx, x *exchange) {
	x.deadline = s.now().Add(s.cfg.AckTimeout)
	c, ok := ctx.Conn().(*conn)
	if !ok {
		return
	}
	c.enter(phaseServing, 0)
	if !c.verified {
		s.open.enqueue(c, placeNone)
	}
}

// stream returns the body; nil when there is none.
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

// readInto reads until buf has most bytes or the body ends. length is that of the body, or -1 when it is not known. The bytes
// of an unverified connection (from) are counted.
func readInto(stream io.Reader, buf *buffer, most, length int, from *conn) (ended bool, r *refusal) {
	for len(buf.b) < most {
		n, err := stream.Read(buf.b[len(buf.b):most])
		buf.b = buf.b[:len(buf.b)+n]
		if from != nil {
			from.incoming.received.Add(int64(n))
		}
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

// decode removes the content coding of x.body. It may wait for room, and releases the room that it did not need.
func (s *Server) decode(x *exchange) ([]byte, *refusal) {
	bound := int64(s.decoding.Bound(len(x.body)))
	if !s.budget.decoding.acquire(bound, x.deadline, s.now(), nil) {
		return nil, refuseBytes
	}
	x.decoding = bound
	// Webhooks compress to a tenth. A longer result grows the buffer.
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
		s.budget.decoding.release(over)
		x.decoding -= over
	}
	return out, nil
}

// releaseUnused releases the form of an encoded body, on the wire or decoded, that does not go into the log.
func (s *Server) releaseUnused(x *exchange) {
	switch {
	case x.decoded == nil:
	case x.encoding != nil: // the form on the wire was signed
		// At most one of the two is set. It points into the buffer that is released.
		if len(x.record.Key) > 0 {
			x.record.Key = append(x.key[:0], x.record.Key...)
		} else if len(x.record.Partitioning) > 0 {
			x.record.Partitioning = append(x.key[:0], x.record.Partitioning...)
		}
		s.buffers.put(x.decoded)
		s.budget.decoding.release(x.decoding)
		x.decoded, x.decoding = nil, 0
	default:
		s.buffers.put(x.wire)
		x.wire, x.body = nil, nil
		s.budget.releaseShort(x.short)
		s.budget.long.release(x.long)
		x.short, x.long = 0, 0
		// Where other shares have room, the decoded share is left to bodies that are being decoded.
		switch room := roomFor(len(x.decoded.b)); {
		case room <= shortBytesMax && s.budget.acquireShort(room):
			x.short = room
		case room > shortBytesMax && s.budget.long.tryAcquire(room):
			x.long = room
		default:
			return
		}
		s.budget.decoding.release(x.decoding)
		x.decoding = 0
	}
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

// encodingOf returns the content codings of a request as one list; nil for identity.
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
	// discardBytesMax bounds the part of an unwanted body that is read, so that the sender receives the answer: closing a
	// connection with unread bytes resets it, and the answer may be lost.
	discardBytesMax = 256 << 10
	discardTimeout  = 500 * time.Millisecond
)

// discard reads the rest of a refused body, or closes the connection. The rest must never be taken for the next request.
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
