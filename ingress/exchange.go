package ingress

import (
	"crypto/sha256"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/schemas"
)

// exchange is what a request needs while it is served. It is reused.
type exchange struct {
	id       [requestIDBytes]byte
	arrived  time.Time
	deadline time.Time

	body     []byte // as received
	wire     *buffer
	decoded  *buffer
	short    int64 // bytes taken from the budget
	long     int64
	decoding int64
	strange  int64 // of long, taken from what strangers share
	consumed bool  // the body was read to its end
	chunked  bool  // the body comes in chunks
	chunks   chunks

	signature []byte // as received; nil when there is none
	stamp     []byte // what is signed in front of the body; nil for nothing
	otherType bool   // the content type is not JSON
	encoding  []byte // as received; nil for identity
	secretID  []byte // of the secret that matched
	mac, sum  [sha256.Size]byte
	known     *credentials // that are checked
	check     bool         // there is a signature, and something to check it with

	record   raw.Record
	headers  [11]kafka.Header
	key      [route.IDBytesMax]byte
	received [20]byte
}

// begin makes x the exchange of a request.
func (x *exchange) begin(now time.Time, limit time.Duration) {
	x.arrived, x.deadline = now, now.Add(limit)
	x.body, x.consumed, x.chunked = nil, false, false
	x.signature, x.stamp, x.encoding, x.secretID, x.otherType = nil, nil, nil, nil, false
	x.known, x.check = nil, false
}

// end gives back all that x holds.
func (x *exchange) end(pool *buffers, from *budget) {
	pool.put(x.wire)
	pool.put(x.decoded)
	x.wire, x.decoded, x.body = nil, nil, nil
	if x.short > 0 {
		from.giveShort(x.short)
	}
	if x.long > 0 {
		from.long.give(x.long)
	}
	if x.decoding > 0 {
		from.decoding.give(x.decoding)
	}
	if x.strange > 0 {
		from.strangers.give(x.strange)
	}
	x.short, x.long, x.decoding, x.strange = 0, 0, 0, 0
	x.chunks, x.record = chunks{}, raw.Record{}
	clear(x.headers[:])
}

// fill makes the record of a body whose signature is right. value is what goes into the log, plain is
// the same without its content coding. The headers point into the request and into x: whoever wants to
// keep them after the answer copies them.
func (x *exchange) fill(src *source, h *fasthttp.RequestHeader, value, plain []byte) {
	topic, waba := route.LaneAndKey(plain)
	x.record = raw.Record{Topic: topic, Key: waba, Value: value, Time: x.arrived}
	if len(waba) == 0 {
		x.record.Partitioning = route.PhoneNumberID(plain)
	}
	hs := append(x.headers[:0],
		kafka.Header{Key: schemas.HeaderSource, Value: src.name},
		kafka.Header{Key: schemas.HeaderProvider, Value: src.sender},
		kafka.Header{Key: schemas.HeaderRequestID, Value: x.id[:]},
		kafka.Header{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(x.received[:0], x.arrived.UnixMilli(), 10)},
	)
	add := func(key string, value []byte) {
		if len(value) > 0 {
			hs = append(hs, kafka.Header{Key: key, Value: value})
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
