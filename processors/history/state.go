package history

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// The records of a number, by key:
//
//	n          the number: JSON
//	w/W        window W: JSON, without its chunks and messages
//	c/W/I      chunk I of window W: held with all that it takes to read it again, or its identity
//	k/W/I      page I of the messages that left in window W, until it is released
//
// Every value begins with its version or, in JSON, has it as "v".
const stateVersion = 1

const numberKey = "n"

func windowKey(w int32) string { return "w/" + strconv.Itoa(int(w)) }

func partKey(kind byte, w int32, i uint32) string {
	var b [24]byte
	k := append(b[:0], kind, '/')
	k = strconv.AppendInt(k, int64(w), 10)
	k = append(k, '/')
	return string(strconv.AppendUint(k, uint64(i), 10))
}

func chunkKey(w int32, i uint32) string { return partKey('c', w, i) }
func pageKey(w int32, i uint32) string  { return partKey('k', w, i) }

// journal collects the changed records, the newest value of each key, in the order in which the keys changed first.
type journal struct {
	index   map[string]int
	entries []journalEntry
}

type journalEntry struct {
	key   string
	value []byte
}

func (j *journal) put(key string, value []byte) {
	if i, ok := j.index[key]; ok {
		j.entries[i].value = value
		return
	}
	if j.index == nil {
		j.index = make(map[string]int)
	}
	j.index[key] = len(j.entries)
	j.entries = append(j.entries, journalEntry{key, value})
}

// extend makes the value of a record longer that TakeState has not returned yet. It reports whether there is one.
func (j *journal) extend(key string, more []byte) bool {
	i, ok := j.index[key]
	if ok {
		j.entries[i].value = append(j.entries[i].value, more...)
	}
	return ok
}

// TakeState yields the records that have changed since the last call, for the compacted `state` topic; a nil value is a
// tombstone. Keys are relative to the number. yield may keep the values.
func (n *Number) TakeState(yield func(key string, value []byte)) {
	for _, w := range n.windows {
		if w.changed {
			w.changed = false
			n.journal.put(windowKey(w.number), mustJSON(w.record()))
		}
	}
	if n.changed || n.stale && len(n.journal.entries) > 0 {
		n.changed, n.recorded = false, true
		n.stale, n.unwritten = false, nil
		n.journal.put(numberKey, mustJSON(n.record()))
	}
	entries := n.journal.entries
	n.journal = journal{}
	for _, e := range entries {
		yield(e.key, e.value)
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("history: a state record that cannot be JSON: " + err.Error()) // all its parts are valid
	}
	return b
}

type boundaryRecord struct {
	Opens      bool    `json:"o,omitempty"`
	Time       *millis `json:"t,omitempty"`
	ReceivedAt millis  `json:"r"`
}

type numberRecord struct {
	Version      int              `json:"v"`
	Windows      int32            `json:"windows"`
	Fence        *millis          `json:"fence,omitempty"`
	FenceAccount bool             `json:"fence_account,omitempty"` // fenceCloses
	FenceOpens   bool             `json:"fence_opens,omitempty"`
	Pending      []boundaryRecord `json:"pending,omitempty"`
	Seq          int64            `json:"seq,omitempty"`     // see Boundary
	Waiting      []int64          `json:"waiting,omitempty"` // of the owner's events up to Seq: those that are pending
	Leaving      *leavingRecord   `json:"leaving,omitempty"`
	Requests     *requests        `json:"requests,omitempty"`
}

// leavingRecord is a chunk that has left in part.
type leavingRecord struct {
	Window int32  `json:"w"`
	Seq    uint32 `json:"seq"`
	From   int    `json:"from"`
	Late   bool   `json:"late,omitempty"`
}

func (n *Number) record() numberRecord {
	r := numberRecord{Version: stateVersion, Windows: n.count, Requests: n.requests}
	if n.fenced != fenceNone {
		r.Fence, r.FenceAccount, r.FenceOpens = &n.fence, n.fenced == fenceCloses, n.fenced == fenceOpens
	}
	r.Seq = n.seq
	for _, b := range n.pending {
		if b.Seq > 0 {
			r.Waiting = append(r.Waiting, b.Seq)
			continue
		}
		br := boundaryRecord{Opens: b.Opens, ReceivedAt: at(b.ReceivedAt)}
		if !b.Time.IsZero() {
			t := at(b.Time)
			br.Time = &t
		}
		r.Pending = append(r.Pending, br)
	}
	if p := &n.next; p.set && p.d.From > 0 {
		r.Leaving = &leavingRecord{Window: p.w.number, Seq: p.h.seq, From: p.d.From, Late: p.d.Late}
	}
	return r
}

type windowRecord struct {
	Version  int             `json:"v"`
	From     *millis         `json:"from,omitempty"` // absent: the first of all
	OpenedAt millis          `json:"opened"`
	LastAt   millis          `json:"last"`
	Ended    bool            `json:"ended,omitempty"`
	Closed   bool            `json:"closed,omitempty"`
	ClosedAt millis          `json:"closed_at,omitempty"`
	Released bool            `json:"released,omitempty"`
	State    string          `json:"state,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Decline  []byte          `json:"decline,omitempty"` // the errors, verbatim
	Failure  json.RawMessage `json:"failure,omitempty"` // in records of earlier versions, without blanks
	// Errors and ErrorsOmitted are absent in the records of older versions.
	Errors        []schemas.SyncError `json:"errors,omitempty"`
	ErrorsOmitted int64               `json:"errors_omitted,omitempty"`
	Unheard       *unheard            `json:"unheard,omitempty"` // present if errors were omitted, except in older records
	OrderKnown    bool                `json:"order_known"`
	Numbering     numbering           `json:"numbering"`
	Reach         int64               `json:"reach"`
	Progress      int32               `json:"progress"`
	Phases        []phaseRecord       `json:"phases,omitempty"`
	Chunks        uint32              `json:"chunks"`
	Pages         uint32              `json:"pages"`
	PagesGone     uint32              `json:"pages_gone,omitempty"`
	ChunksGone    uint32              `json:"chunks_gone,omitempty"`
	Left          int64               `json:"left"`
	Late          int64               `json:"late,omitempty"`
	Lost          int64               `json:"lost,omitempty"`
	Duplicate     int64               `json:"duplicate,omitempty"`
	Messages      int64               `json:"messages"`
	Duplicates    int64               `json:"duplicates,omitempty"`
}

type phaseRecord struct {
	Number   int32  `json:"p"`
	Ordered  bool   `json:"o,omitempty"`
	Started  bool   `json:"s,omitempty"`
	Begin    int64  `json:"b,omitempty"`
	Next     int64  `json:"n,omitempty"`
	Lowest   int64  `json:"lo,omitempty"`
	Highest  int64  `json:"hi,omitempty"`
	FirstAt  millis `json:"fa,omitempty"`
	LastAt   millis `json:"la,omitempty"`
	Full     bool   `json:"full,omitempty"`
	Over     bool   `json:"over,omitempty"`
	Cleared  bool   `json:"clear,omitempty"`
	Progress int32  `json:"pr,omitempty"`
	Left     int64  `json:"l,omitempty"`
	Gaps     gaps   `json:"g,omitempty"`
	Forgot   int64  `json:"gf,omitempty"`
}

func (w *window) record() windowRecord {
	r := windowRecord{
		Version: stateVersion, OpenedAt: w.openedAt, LastAt: w.lastAt, Ended: w.ended, Closed: w.closed,
		ClosedAt: w.closedAt, Released: w.known == nil, State: w.state, Reason: w.reason, Decline: w.failure, OrderKnown: w.orderKnown,
		Numbering: w.numbering, Reach: w.reach, Progress: w.progress, Chunks: w.chunks, Pages: w.pages,
		PagesGone: w.pagesGone, ChunksGone: w.chunksGone,
		Left: w.left, Late: w.late, Lost: w.lost, Duplicate: w.duplicate, Messages: w.messages,
		Duplicates: w.duplicates, Errors: w.errors, ErrorsOmitted: w.errorsOmitted,
	}
	if w.errorsOmitted > 0 {
		r.Unheard = &w.unheard
	}
	if w.from != always {
		r.From = &w.from
	}
	for i := range w.phases {
		p := &w.phases[i]
		r.Phases = append(r.Phases, phaseRecord{
			Number: p.number, Ordered: p.ordered, Started: p.started, Begin: p.begin, Next: p.next,
			Lowest: p.lowest, Highest: p.highest, FirstAt: p.firstAt, LastAt: p.lastAt, Full: p.full,
			Over: p.over, Cleared: p.cleared, Progress: p.progress, Left: p.left, Gaps: p.gaps, Forgot: p.forgot,
		})
	}
	return r
}

func (r *windowRecord) failure() json.RawMessage {
	if r.Decline != nil {
		return r.Decline
	}
	return r.Failure
}

func (r *windowRecord) window(number int32) *window {
	w := &window{
		number: number, from: always, openedAt: r.OpenedAt, lastAt: r.LastAt, ended: r.Ended, closed: r.Closed,
		closedTold: r.Closed, closedAt: r.ClosedAt, state: r.State, reason: r.Reason, failure: r.failure(),
		orderKnown: r.OrderKnown, numbering: r.Numbering, reach: r.Reach, progress: r.Progress,
		chunks: r.Chunks, pages: r.Pages, pagesGone: r.PagesGone, chunksGone: r.ChunksGone, left: r.Left, late: r.Late, lost: r.Lost, duplicate: r.Duplicate,
		messages: r.Messages, duplicates: r.Duplicates, errors: r.Errors, errorsOmitted: r.ErrorsOmitted,
	}
	switch {
	case r.Unheard != nil:
		w.unheard = *r.Unheard
	case r.ErrorsOmitted > 0:
		w.unheard.Forgot = r.ErrorsOmitted
	}
	if r.From != nil {
		w.from = *r.From
	}
	for _, p := range r.Phases {
		w.phases = append(w.phases, phase{
			number: p.Number, ordered: p.Ordered, started: p.Started, begin: p.Begin, next: p.Next,
			lowest: p.Lowest, highest: p.Highest, firstAt: p.FirstAt, lastAt: p.LastAt, full: p.Full,
			over: p.Over, cleared: p.Cleared, progress: p.Progress, left: p.Left, gaps: p.Gaps, forgot: p.Forgot,
		})
	}
	return w
}

// Kinds of chunk records.
const (
	recordHeld byte = iota + 1
	recordLeft
	recordLost
)

const (
	identityRecordBytes = 2 + dedup.EntryBytes
	heldRecordBytes     = identityRecordBytes + 2 + 2 + 2 + 4*4 + 8 + 8
)

// chunkRecord is version, kind, identity and, for a held chunk, topic, flags, change, element, phase,
// order, progress, messages, offset, received-at; big endian.
func chunkRecord(kind byte, h *held) []byte {
	size := identityRecordBytes
	if kind == recordHeld {
		size = heldRecordBytes
	}
	b := append(make([]byte, 0, size), stateVersion, kind)
	b = binary.BigEndian.AppendUint64(b, h.identHi)
	b = binary.BigEndian.AppendUint16(b, h.identLo)
	if kind != recordHeld {
		return b
	}
	b = append(b, byte(h.topic), h.flags)
	b = binary.BigEndian.AppendUint16(b, h.change)
	b = binary.BigEndian.AppendUint16(b, h.element)
	for _, v := range [...]int32{h.phase, h.order, h.progress, h.messages} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(h.offset))
	return binary.BigEndian.AppendUint64(b, uint64(h.at))
}

func parseChunkRecord(b []byte) (kind byte, h held, err error) {
	if len(b) < identityRecordBytes || b[0] != stateVersion {
		return 0, h, fmt.Errorf("%d bytes: not a chunk record of version %d", len(b), stateVersion)
	}
	kind = b[1]
	h.identHi, h.identLo = binary.BigEndian.Uint64(b[2:]), binary.BigEndian.Uint16(b[10:])
	size := identityRecordBytes
	switch kind {
	case recordHeld:
		size = heldRecordBytes
	case recordLeft, recordLost:
	default:
		return 0, h, fmt.Errorf("kind %d of a chunk record: must be 1, 2 or 3", kind)
	}
	if len(b) != size {
		return 0, h, fmt.Errorf("%d bytes of a chunk record of kind %d: must be %d", len(b), kind, size)
	}
	if kind != recordHeld {
		return kind, h, nil
	}
	b = b[identityRecordBytes:]
	h.topic, h.flags = schemas.Topic(b[0]), b[1]
	h.change, h.element = binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:])
	b = b[6:]
	for i, p := range [...]*int32{&h.phase, &h.order, &h.progress, &h.messages} {
		v := binary.BigEndian.Uint32(b[4*i:])
		if i != 2 && v > math.MaxInt32 {
			return 0, h, fmt.Errorf("a negative number in a chunk record")
		}
		*p = int32(v)
	}
	if h.phase > PhaseMax {
		return 0, h, fmt.Errorf("phase %d of a chunk record: must be at most %d", h.phase, PhaseMax)
	}
	h.offset, h.at = int64(binary.BigEndian.Uint64(b[16:])), millis(binary.BigEndian.Uint64(b[24:]))
	return kind, h, nil
}

func pageRecord(page []byte) []byte {
	return append(append(make([]byte, 0, 1+len(page)), stateVersion), page...)
}

func (b *boundaryRecord) boundary() Boundary {
	r := Boundary{Opens: b.Opens, ReceivedAt: b.ReceivedAt.time()}
	if b.Time != nil {
		r.Time = b.Time.time()
	}
	return r
}
