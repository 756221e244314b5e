package partition

import (
	"bytes"
	"strconv"
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is a record to be produced.
type Record struct {
	Topic      schemas.Topic
	Partition  int32
	Key, Value []byte // a nil value is a tombstone
	Headers    []Header
}

// Output receives the records that a partition emits. A record and all it refers to stay valid until the workspace
// is reset.
type Output func(Record)

// Workspace is memory for the records that partitions emit in one transaction. It keeps some of it for the next one,
// so steady work allocates little.
type Workspace struct {
	arena   arena
	headers headers
}

// Reset makes the memory free for other records.
func (w *Workspace) Reset() {
	w.arena.reset()
	w.headers.reset()
}

// Rest releases memory that was unused since the previous call. The workspace has been reset.
func (w *Workspace) Rest() {
	w.arena.rest()
	w.headers.rest()
}

// arena hands out byte slices that live until reset, from few large blocks.
type arena struct {
	blocks [][]byte
	n      int // blocks in use; blocks[n-1] is the one being filled
	peak   int // the most since rest
}

const arenaBlockBytes = 1 << 20

// room returns an empty slice with a capacity of at least size at the arena's end; done keeps what was
// appended to it.
func (a *arena) room(size int) []byte {
	if a.n > 0 {
		b := a.blocks[a.n-1]
		if cap(b)-len(b) >= size {
			return b[len(b):len(b):cap(b)]
		}
	}
	if a.n == len(a.blocks) || cap(a.blocks[a.n]) < size {
		a.blocks = append(a.blocks, nil)
		copy(a.blocks[a.n+1:], a.blocks[a.n:])
		a.blocks[a.n] = make([]byte, 0, max(size, arenaBlockBytes))
	}
	a.n++
	return a.blocks[a.n-1]
}

// done keeps p, which began as the last room, so that its bytes are not handed out again. A p that outgrew its room
// was moved by append and needs no keeping.
func (a *arena) done(p []byte) []byte {
	b := a.blocks[a.n-1]
	if len(p) > 0 && cap(b) > len(b) && unsafe.SliceData(p) == unsafe.SliceData(b[len(b):cap(b)]) {
		a.blocks[a.n-1] = b[:len(b)+len(p)]
	}
	return p[:len(p):len(p)]
}

func (a *arena) copy(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	p := a.room(n)
	for _, s := range parts {
		p = append(p, s...)
	}
	return a.done(p)
}

// arenaKeepBlocks bounds the memory that is kept after a large transaction.
const arenaKeepBlocks = 16

func (a *arena) rest() {
	if a.peak < len(a.blocks) {
		clear(a.blocks[a.peak:])
		a.blocks = a.blocks[:a.peak]
	}
	a.peak = 0
}

func (a *arena) reset() {
	a.peak = max(a.peak, a.n)
	if len(a.blocks) > arenaKeepBlocks {
		clear(a.blocks[arenaKeepBlocks:])
		a.blocks = a.blocks[:arenaKeepBlocks]
	}
	for i, b := range a.blocks {
		if cap(b) > arenaBlockBytes {
			b = make([]byte, 0, arenaBlockBytes)
		}
		a.blocks[i] = b[:0]
	}
	a.n = 0
}

// str views b as a string without a copy. The string must not outlive b.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf views s as bytes without a copy. They must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

var specVersion = []byte(schemas.CESpecVersion)

// headers hands out slices of header slots that live until reset.
type headers struct {
	blocks  [][]Header
	n, peak int // blocks in use, and the most since rest
}

const headerBlock = 4096

// take returns an empty slice with a capacity of n at the end of the slots; done keeps what was appended to it.
func (h *headers) take(n int) []Header {
	if h.n == 0 || cap(h.blocks[h.n-1])-len(h.blocks[h.n-1]) < n {
		if h.n == len(h.blocks) {
			h.blocks = append(h.blocks, make([]Header, 0, headerBlock))
		}
		h.n++
	}
	b := h.blocks[h.n-1]
	return b[len(b) : len(b) : len(b)+n]
}

// done keeps hs, which began as the last slots taken, so that they are not handed out again. Headers that outgrew
// them were moved by append and need no keeping.
func (h *headers) done(hs []Header) []Header {
	b := h.blocks[h.n-1]
	if len(hs) > 0 && cap(b) > len(b) && unsafe.SliceData(hs) == unsafe.SliceData(b[len(b):cap(b)]) {
		h.blocks[h.n-1] = b[:len(b)+len(hs)]
	}
	return hs[:len(hs):len(hs)]
}

const headerKeepBlocks = 32

func (h *headers) rest() {
	if h.peak < len(h.blocks) {
		clear(h.blocks[h.peak:])
		h.blocks = h.blocks[:h.peak]
	}
	h.peak = 0
}

func (h *headers) reset() {
	h.peak = max(h.peak, h.n)
	if len(h.blocks) > headerKeepBlocks {
		clear(h.blocks[headerKeepBlocks:])
		h.blocks = h.blocks[:headerKeepBlocks:headerKeepBlocks]
	}
	for i, b := range h.blocks {
		clear(b)
		h.blocks[i] = b[:0]
	}
	h.n = 0
}

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

// message encodes the hot case without an interface, which would move the event to the heap.
func (p *Partition) message(m *schemas.Message) []byte {
	return p.arena.done(m.AppendJSON(p.arena.room(len(m.Original) + len(m.Profiles) + eventOverheadBytes)))
}

// key joins a number and the second part of a record's key.
func (p *Partition) key(phoneNumberID, rest string) []byte {
	return p.arena.copy(phoneNumberID, "/", rest)
}

// threadKey returns the key of an event of a chat. A message without any known party has a key of its own. A key
// that all such messages of a number shared would mix the chats of strangers.
func (p *Partition) threadKey(m *schemas.Message, id schemas.Hash) []byte {
	switch {
	case m.Thread != "":
		return p.key(m.PhoneNumberID, m.Thread)
	case m.WAMID != "":
		return p.key(m.PhoneNumberID, m.WAMID)
	}
	return p.key(m.PhoneNumberID, id.Hex())
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
