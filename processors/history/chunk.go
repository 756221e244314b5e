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

// Ref is the place from which a chunk can be read again. The owner knows the partition.
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
	// Again lets a chunk that its window has leave once more, late, because not all of its messages may have left.
	Again bool
	// Errors are the errors of the chunk; they are copied. Failed reports that it has no content: nothing of it leaves,
	// and its place stays missing. Errors of a webhook without a chunk come as a failed chunk, too.
	Errors []Error
	Failed bool
}

// Verdict is the result of offering a chunk.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota // it leaves when its turn comes
	Duplicate                // its window has it already; the number counts it
)

// Departure is a chunk that has to leave now.
type Departure struct {
	Ref      Ref
	Window   int32
	Messages int // as the chunk said, so that a transaction can be bounded before the bytes are read
	From     int // the first message that has not left; those before it left in earlier parts
	Position schemas.SyncPosition
	Late     bool
	// Known contains the messages that left in this window. The owner raises those that it emits. nil: the memory of
	// the window was released.
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

// held is a held chunk: its reference, its place in the order, and its identity. The order of the fields packs them
// into 56 bytes.
type held struct {
	identHi         uint64
	offset          int64
	at              millis
	seq             uint32 // counts the window's chunks in the order of arrival
	phase, order    int32
	progress        int32
	messages        int32
	identLo         uint16
	change, element uint16
	topic           schemas.Topic
	flags           uint8
}

// identity is the part of the chunk's phase, order and digest that dedup.Set stores: 78 bits.
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

// hold returns the held form of a chunk.
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

// identify returns the identity of a chunk with this phase and order, and with the digest.
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
