package ingress

import (
	"crypto/sha256"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/schemas"
)

// exchange has the state of a request while it is served. It is reused.
type exchange struct {
	id       [requestIDBytes]byte
	arrived  time.Time
	deadline time.Time

	body       []byte // as received
	wire       *buffer
	decoded    *buffer
	short      int64 // bytes taken from the budget
	arriving   int64 // of short, while the body arrives on an unverified connection
	standing   standing
	long       int64
	decoding   int64
	unverified int64 // of long, reserved in the share of unverified clients
	consumed   bool  // the body was read to its end
	chunked    bool  // the body comes in chunks
	chunks     chunks

	signature []byte // as received; nil when there is none
	stamp     []byte // the time that is signed before the body; nil: none
	otherType bool   // the content type is not JSON
	encoding  []byte // as received; nil for identity
	secretID  []byte // of the secret that matched
	mac, sum  [sha256.Size]byte
	known     *credentials // that are checked
	check     bool         // there is a signature, and something to check it with

	record   raw.Record
	headers  [11]raw.Header
	key      [route.IDBytesMax]byte
	received [20]byte
}

// begin prepares x for a request.
func (x *exchange) begin(now time.Time, limit time.Duration) {
	x.arrived, x.deadline = now, now.Add(limit)
	x.body, x.consumed, x.chunked = nil, false, false
	x.signature, x.stamp, x.encoding, x.secretID, x.otherType = nil, nil, nil, nil, false
	x.known, x.check = nil, false
}

// end releases the buffers and the reserved bytes of x.
func (x *exchange) end(pool *buffers, from *budget) {
	pool.put(x.wire)
	pool.put(x.decoded)
	x.wire, x.decoded, x.body = nil, nil, nil
	x.releaseArriving(from)
	if x.short > 0 {
		from.releaseShort(x.short)
	}
	if x.long > 0 {
		from.long.release(x.long)
	}
	if x.decoding > 0 {
		from.decoding.release(x.decoding)
	}
	if x.unverified > 0 {
		from.unverified.release(x.unverified)
	}
	x.short, x.long, x.decoding, x.unverified = 0, 0, 0, 0
	x.chunks, x.record = chunks{}, raw.Record{}
	clear(x.headers[:])
}

// releaseArriving ends the arrival of a body on an unverified connection.
func (x *exchange) releaseArriving(b *budget) {
	if x.arriving > 0 {
		b.arriving[x.standing].Add(-x.arriving)
		x.arriving = 0
	}
}

// makeRecord makes the record of a verified body. value goes into the log; plain is value without its content coding. The
// headers refer to the request and to x, and are valid until the answer.
func (x *exchange) makeRecord(src *source, h *fasthttp.RequestHeader, value, plain []byte) {
	topic, waba := route.LaneAndKey(plain)
	x.record = raw.Record{Topic: topic, Key: waba, Value: value, Time: x.arrived}
	if len(waba) == 0 {
		x.record.Partitioning = route.PhoneNumberID(plain)
	}
	hs := append(x.headers[:0],
		raw.Header{Key: schemas.HeaderSource, Value: src.name},
		raw.Header{Key: schemas.HeaderProvider, Value: src.provider},
		raw.Header{Key: schemas.HeaderRequestID, Value: x.id[:]},
		raw.Header{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(x.received[:0], x.arrived.UnixMilli(), 10)},
	)
	add := func(key string, value []byte) {
		if len(value) > 0 {
			hs = append(hs, raw.Header{Key: key, Value: value})
		}
	}
	add(schemas.HeaderContentType, h.ContentType())
	add(schemas.HeaderContentEncoding, x.encoding)
	if len(x.signature) > 0 {
		add(schemas.HeaderSignature, x.signature)
		add(schemas.HeaderSignatureHeader, src.signatureName)
		add(schemas.HeaderSecretID, x.secretID)
	}
	if parent := h.Peek("Traceparent"); validTraceParent(parent) {
		add(schemas.HeaderTraceParent, parent)
		if state := h.Peek("Tracestate"); validTraceState(state) {
			add(schemas.HeaderTraceState, state)
		}
	}
	x.record.Headers = hs
}
