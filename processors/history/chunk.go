package history

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// PhaseMax bounds the phases of a window. Vendors document 0, 1 and 2.
const PhaseMax = 255

// Ref is where a chunk can be read again. The partition is implied by the owner.
type Ref struct {
	Topic           schemas.Topic
	Offset          int64
	Change, Element uint16 // place of the history element in the body
}

// Chunk is one element of value.history[].
type Chunk struct {
	Ref                             Ref
	Phase, Order, Progress          int32 // a negative phase or order counts as absent
	HasPhase, HasOrder, HasProgress bool
	Digest                          schemas.Hash // of the element's bytes
	Messages                        int
	ReceivedAt                      time.Time // from the raw record
	// Again lets a chunk that its window has already leave once more, late: not all of its messages may have
	// left the first time.
	Again bool
	// Errors are what the chunk says went wrong. They are copied. Failed says that there is nothing else in it: nothing
	// of it leaves, and its place stays missing. Errors of a webhook without a chunk come as one that failed, too.
	Errors []Error
	Failed bool
}

// Verdict is what became of a chunk.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota // it leaves when its turn comes
	Duplicate                // its window has it already; it was counted
)

// Departure is a chunk that has to leave now.
type Departure struct {
	Ref      Ref
	Window   int32
	Messages int // as the chunk told, so that a transaction can be bounded before the bytes are read
	From     int // the first of its messages that has not left; those before it did, in parts
	Position schemas.SyncPosition
	Late     bool
	// Known holds the messages that left in this window. The owner raises what it emits. nil when the
	// window ended so long ago that its memory was given back.
	Known *dedup.Set
}

// millis is a point in time in Unix milliseconds, or a duration in milliseconds.
type millis int64

const (
	always millis = math.MinInt64 // before any time
	never  millis = math.MaxInt64 // after any time
)

func at(t time.Time) millis       { return millis(t.UnixMilli()) }
func span(d time.Duration) millis { return millis(d.Milliseconds()) }
func (m millis) time() time.Time  { return time.UnixMilli(int64(m)).UTC() }
func (m millis) plus(d millis) millis {
	if m == never || m > never-d {
		return never
	}
	return m + d
}

// Flags of a held chunk.
const (
	hasPhase = 1 << iota
	hasOrder
	hasProgress
)

// held is a chunk that waits: what it takes to read it again, to place it and to know it again. The
// fields stand in the order that packs them into 56 bytes.
type held struct {
	identHi         uint64
	offset          int64
	at              millis
	seq             uint32 // counts the window's chunks as they came
	phase, order    int32
	progress        int32
	messages        int32
	identLo         uint16
	change, element uint16
	topic           schemas.Topic
	flags           uint8
}

// identity is what dedup.Set keeps of the chunk's phase, order and digest: 78 bits.
func (h *held) identity() schemas.Hash { return schemas.Hash{Hi: h.identHi, Lo: uint64(h.identLo)} }

func (h *held) ordered() bool { return h.flags&(hasPhase|hasOrder) == hasPhase|hasOrder }

func (h *held) ref() Ref {
	return Ref{Topic: h.topic, Offset: h.offset, Change: h.change, Element: h.element}
}

func (h *held) position(window int32, late bool) schemas.SyncPosition {
	p := schemas.SyncPosition{Window: window, Late: late}
	if h.flags&hasPhase != 0 {
		p.Phase = &[]int32{h.phase}[0]
	}
	if h.flags&hasOrder != 0 {
		p.ChunkOrder = &[]int32{h.order}[0]
	}
	if h.flags&hasProgress != 0 {
		p.Progress = &[]int32{h.progress}[0]
	}
	return p
}

// hold makes a held chunk of a chunk.
func hold(c *Chunk) held {
	h := held{
		offset: c.Ref.Offset, at: at(c.ReceivedAt),
		messages: int32(min(max(c.Messages, 0), math.MaxInt32)),
		change:   c.Ref.Change, element: c.Ref.Element, topic: c.Ref.Topic,
	}
	if c.HasPhase && c.Phase >= 0 && c.Phase <= PhaseMax {
		h.phase, h.flags = c.Phase, h.flags|hasPhase
	}
	if c.HasOrder && c.Order >= 0 {
		h.order, h.flags = c.Order, h.flags|hasOrder
	}
	if c.HasProgress {
		h.progress, h.flags = c.Progress, h.flags|hasProgress
	}
	h.identHi, h.identLo = h.identify(c.Digest)
	return h
}

// identify is the identity of a chunk of this phase and order with the digest.
func (h *held) identify(digest schemas.Hash) (hi uint64, lo uint16) {
	var b [25]byte
	b[0] = h.flags & (hasPhase | hasOrder)
	binary.BigEndian.PutUint32(b[1:], uint32(h.phase))
	binary.BigEndian.PutUint32(b[5:], uint32(h.order))
	binary.BigEndian.PutUint64(b[9:], digest.Hi)
	binary.BigEndian.PutUint64(b[17:], digest.Lo)
	id := schemas.HashBytes(b[:])
	return id.Hi, uint16(id.Lo) &^ 3
}
