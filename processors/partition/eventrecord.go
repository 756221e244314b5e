package partition

import (
	"bytes"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

var specVersion = []byte(schemas.CESpecVersion)

const (
	headersPerEvent = 13
	headersExtraMax = 9 // of a contact
)

// event is the CloudEvents part of an event.
type event struct {
	topic   schemas.Topic
	ceType  string
	id      schemas.Hash
	source  []byte
	time    time.Time
	subject []byte
	origin  []byte
	trace   *Origin

	received []byte // the receipt time of trace as text; set with the first of several events
}

// eventHeaders builds the headers of an event.
func (p *Partition) eventHeaders(e *event, extra ...Header) []Header {
	hs := p.headers.take(headersPerEvent + headersExtraMax)
	id := p.arena.done(e.id.AppendHex(p.arena.room(32)))
	hs = append(hs,
		Header{schemas.HeaderCESpecVersion, specVersion},
		Header{schemas.HeaderCEID, id},
		Header{schemas.HeaderCEType, bytesOf(e.ceType)},
		Header{schemas.HeaderCESource, e.source},
	)
	when := e.time
	if when.IsZero() && e.trace != nil {
		when = e.trace.ReceivedAt // the event itself has no time
	}
	at := p.arena.done(clamped(when.UTC()).AppendFormat(p.arena.room(32), time.RFC3339Nano))
	hs = append(hs, Header{schemas.HeaderCETime, at})
	if len(e.subject) > 0 {
		hs = append(hs, Header{schemas.HeaderCESubject, e.subject})
	}
	hs = append(hs, Header{"content-type", contentTypeJSON})
	if len(e.origin) > 0 {
		hs = append(hs, Header{schemas.HeaderOrigin, e.origin})
	}
	if e.trace != nil {
		if e.received == nil && e.trace.Received != nil {
			e.received = e.trace.Received
		} else if e.received == nil {
			e.received = p.arena.done(strconv.AppendInt(p.arena.room(20), e.trace.ReceivedAt.UnixMilli(), 10))
		}
		hs = append(hs, Header{schemas.HeaderReceivedAt, e.received})
		if len(e.trace.Source) > 0 {
			hs = append(hs, Header{schemas.HeaderSource, e.trace.Source})
		}
	}
	if e.trace != nil && len(e.trace.TraceParent) > 0 {
		hs = append(hs, Header{schemas.HeaderTraceParent, e.trace.TraceParent})
		if len(e.trace.TraceState) > 0 {
			hs = append(hs, Header{schemas.HeaderTraceState, e.trace.TraceState})
		}
	}
	if e.trace != nil && e.trace.Replay != nil {
		hs = append(hs, Header{schemas.HeaderReplay, e.trace.Replay.ID})
	}
	return p.headers.done(append(hs, extra...))
}

// latest is the last second that RFC 3339 and the readers of CloudEvents can represent.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// clamped returns the nearest time from 1970 on that ce_time can represent.
func clamped(t time.Time) time.Time {
	switch s := t.Unix(); {
	case s < 0:
		return time.Unix(0, 0).UTC()
	case s > latest.Unix():
		return latest
	}
	return t
}

var contentTypeJSON = []byte("application/json")

// emit passes an event to the owner.
func (p *Partition) emit(e *event, key, value []byte, extra ...Header) {
	p.out(Record{Topic: e.topic, Partition: p.cfg.Partition, Key: key, Value: value, Headers: p.eventHeaders(e, extra...)})
	p.counts.Events[e.topic]++
}

// appender is the value of an event.
type appender interface{ AppendJSON([]byte) []byte }

const eventOverheadBytes = 768

// value encodes an event whose verbatim part has about n bytes.
func (p *Partition) value(v appender, n int) []byte {
	return p.arena.done(v.AppendJSON(p.arena.room(n + eventOverheadBytes)))
}

// key joins a number and the second part of a record's key.
func (p *Partition) key(phoneNumberID, rest string) []byte {
	return p.arena.copy(phoneNumberID, "/", rest)
}

// place appends "#a.b.c" to an origin. The origin of a rerouted change already ends with its place in the body that
// the ingress wrote. That place replaces the first two numbers, entry and change, which are 1 and 1 here.
func (p *Partition) place(o *Origin, path ...int) []byte {
	label := p.arena.room(len(o.Label) + 1 + 12*len(path))
	label = append(label, o.Label...)
	moved := bytes.IndexByte(o.Label, '#') >= 0
	if moved {
		path = path[min(2, len(path)):]
	}
	for i, n := range path {
		if i == 0 && !moved {
			label = append(label, '#')
		} else {
			label = append(label, '.')
		}
		label = strconv.AppendInt(label, int64(n), 10)
	}
	return p.arena.done(label)
}

// longerThanEvents is the detail of a letter about one event.
const longerThanEvents = "an event of this record is longer than processor.event_bytes_max"

// put emits an event, or a dead letter if its value exceeds the maximum that consumers have to expect.
func (p *Partition) put(e *event, o *Origin, key, value []byte, extra ...Header) {
	if len(value) > p.cfg.EventBytesMax {
		p.eventTooLong(o, e.id, longerThanEvents)
		return
	}
	p.emit(e, key, value, extra...)
}

func unix(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
