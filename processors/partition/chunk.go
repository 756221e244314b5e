package partition

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// history offers the chunks of a change to the number's resequencer, and tells it what went wrong.
func (t *Partition) history(h inHand, c *split.Change, index int, n *number) {
	t.pendingBoundaries.applyTo(n, t.now)
	t.offer(n)
	wrong := len(c.Errors) > 0
	for i := range c.History {
		el := &c.History[i]
		if el.Out {
			continue // told in a letter
		}
		chunk := t.chunkOf(h.origin, c, el)
		if len(el.Errors) > 0 {
			f := errorsIn(el.Errors)
			wrong = wrong || f.any()
			if f.any() && len(el.Threads) == 0 {
				continue
			}
			chunk.Errors = f.others
			t.beside(h.origin, c, i, &f)
		}
		if index > math.MaxUint16 || i > math.MaxUint16 {
			t.other(h.origin, c) // a reference cannot name it; no sender batches that many
			continue
		}
		el.Checked = true // its digest is taken here, and Body.Bound has seen it
		chunk.Ref = history.Ref{Topic: h.origin.Topic, Offset: h.origin.Offset, Change: uint16(index), Element: uint16(i)}
		t.offerChunk(n, h.origin, chunk)
	}
	if wrong {
		t.failed(h, c, n)
	}
}

// chunkOf is what a resequencer has to know of an element; where it can be read again is added.
func (t *Partition) chunkOf(o *Origin, c *split.Change, el *split.HistoryElement) history.Chunk {
	return history.Chunk{
		Phase: el.Phase, Order: el.ChunkOrder, Progress: el.Progress,
		HasPhase: el.HasPhase, HasOrder: el.HasChunkOrder, HasProgress: el.HasProgress,
		Digest: schemas.HashBytes(t.content(c, el.Raw)), Messages: messagesIn(el), ReceivedAt: o.ReceivedAt,
		Again: o.Requeue != nil,
	}
}

func (t *Partition) offerChunk(n *number, o *Origin, c history.Chunk) {
	if n.history.Chunk(o.ReceivedAt, c) == history.Duplicate {
		t.counts.Duplicates[KindChunk]++
	}
}

// offered is a number with chunks in the body that is processed.
type offered struct {
	number *number
	held   int // how many of its chunks waited before
}

func (t *Partition) offer(n *number) {
	for i := range t.offers {
		if t.offers[i].number == n {
			return
		}
	}
	t.offers = append(t.offers, offered{n, n.history.Held()})
}

// advanceOffered lets leave what may, when the resequencers know all chunks of a body: a change may hold a chunk that
// belongs before those of another one.
func (t *Partition) advanceOffered(h inHand) {
	for _, o := range t.offers {
		t.advance(o.number, h)
		t.holds = t.holds || o.number.history.Held() > o.held
	}
	t.offers = t.offers[:0]
}

func messagesIn(el *split.HistoryElement) (n int) {
	for i := range el.Threads {
		n += len(el.Threads[i].Messages)
	}
	return n
}

// advance lets a number's chunks leave as long as their bytes are at hand and the turn allows it. For the next one, which has
// to be read again or to wait for the next turn, the number gets in line.
func (t *Partition) advance(n *number, h inHand) {
	for {
		d, ok := n.history.Next(t.now)
		if !ok {
			return
		}
		if !h.holds(d.Ref) || t.turn.chunkWaits(h) {
			t.want(n)
			return
		}
		c, el := h.body.Chunk(int(d.Ref.Change), int(d.Ref.Element))
		if h.again && !el.Checked {
			// An earlier version took the bytes as they are.
			if !n.history.Is(d, schemas.HashBytes(t.content(c, el.Raw))) && !n.history.Is(d, schemas.HashBytes(el.Raw)) {
				n.history.Missing(t.now, d) // the log holds other bytes at that place
				continue
			}
			t.fit(h, d)
			el.Checked = true
		}
		t.turn.chunks++
		if whole := t.leave(n, d, h.origin, c, el); !whole {
			t.want(n)
			return
		}
	}
}

// leave emits the messages of a chunk that are not known in its window yet: all that have not left, or as many as
// the turn allows.
func (t *Partition) leave(n *number, d history.Departure, o *Origin, c *split.Change, el *split.HistoryElement) (whole bool) {
	origin := t.place(o, c.Entry, c.Index, int(d.Ref.Element))
	var page []byte
	if d.Known != nil {
		page = make([]byte, 0, (messagesIn(el)-d.From)*dedup.EntryBytes)
	}
	var left, duplicates, at int
	e := event{topic: schemas.TopicHistory, ceType: schemas.TypeHistory, source: n.source, origin: origin, trace: o}
	m := schemas.Message{
		WABAID: n.id.WABAID, PhoneNumberID: n.id.PhoneNumberID, DisplayPhoneNumber: str(n.display(c, o.ReceivedAt)),
		Historical: true, Sync: &d.Position,
	}
	for i := range el.Threads {
		thread := &el.Threads[i]
		began := false
		var key []byte
		var keyThread string
		for j := range thread.Messages {
			msg := &thread.Messages[j]
			if at++; at <= d.From {
				continue
			}
			if done := at - 1 - d.From; done > 0 && done%PartItems == 0 && o.Requeue == nil && t.turn.over(done) {
				t.turn.items += done
				n.history.Partly(t.now, d, at-1, left, duplicates, page)
				return false
			}
			id := t.messageKey(c, n.id.PhoneNumberID, msg)
			rank := rankOf(msg)
			version := id
			if rank == schemas.RankEdit {
				version = t.editKey(c, id, msg)
			}
			e.id = schemas.MessageEventID(schemas.TypeHistory, version, rank)
			if only := o.Requeue.event(); only != "" {
				if e.id.Hex() != only {
					continue
				}
			} else if d.Known != nil {
				was, seen := d.Known.Raise(id, rank)
				if fresh := !seen || rank > was; fresh {
					page = dedup.AppendEntry(page, id, rank)
				} else if rank != schemas.RankEdit || was > rank {
					duplicates++
					t.counts.Duplicates[KindHistory]++
					continue
				}
				if rank == schemas.RankEdit {
					if _, seen := d.Known.Raise(version, rank); seen {
						duplicates++
						t.counts.Duplicates[KindHistory]++
						continue
					}
					page = dedup.AppendEntry(page, version, rank)
				}
			}
			left++
			if !began { // of a thread that left in part, or is known, nothing has to be found out
				t.people.Chat(c, n.display(c, o.ReceivedAt), thread)
				began = true
			}
			fill(&m, msg)
			on(&m, t.people.Past(msg))
			classify(&m, msg, rank)
			m.Status = upper(msg.Status)
			ofMedia := rank == schemas.RankPlaceholder && string(msg.Type) == "media_placeholder"
			if ofMedia {
				m.WAMIDToken = t.wamidToken(msg.ID)
			}
			if key == nil || m.Thread == "" || m.Thread != keyThread {
				key, keyThread = t.threadKey(&m, e.id), m.Thread
			}
			e.time = unix(msg.Timestamp)
			e.subject = t.arena.copy(m.WAMID)
			t.put(&e, o, key, t.message(&m))
			if ofMedia {
				t.placeholder(n, id, &m, o.ReceivedAt)
			}
		}
	}
	t.turn.items += at - d.From
	n.history.Left(t.now, d, left, duplicates, page)
	return true
}

// longerThanEvents is the reason of a letter of one event.
const longerThanEvents = "an event of this record is longer than processor.event_bytes_max"

// put emits an event, or a dead letter where its value is longer than any consumer has to expect.
func (t *Partition) put(e *event, o *Origin, key, value []byte, extra ...Header) {
	if len(value) > t.cfg.EventBytesMax {
		t.eventTooLong(o, e.id, longerThanEvents)
		return
	}
	t.emit(e, key, value, extra...)
}

// fill sets what every kind of message event has from the message itself. The strings are views of the
// body: they are encoded before it goes.
func fill(m *schemas.Message, msg *split.Message) {
	m.WAMID, m.OriginalWAMID, m.WAMIDToken = str(msg.ID), str(msg.OriginalID), ""
	m.From, m.To = str(msg.From), str(msg.To)
	if m.From == "" {
		m.From = str(msg.FromUserID)
	}
	if m.To == "" {
		m.To = str(msg.ToUserID)
	}
	m.Timestamp, m.Type, m.Status = msg.Timestamp, str(msg.Type), ""
	m.Original = json.RawMessage(msg.Raw)
}

func unix(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// upper is a history status in the upper case of the documents; lower case was seen.
func upper(status []byte) string {
	for _, c := range status {
		if 'a' <= c && c <= 'z' {
			return string(bytes.ToUpper(status))
		}
	}
	return str(status)
}
