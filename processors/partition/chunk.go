package partition

import (
	"math"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// history offers the chunks of a change to the number's resequencer, and passes on its errors.
func (p *Partition) history(h inHand, c *split.Change, index int, n *number) {
	p.pendingBoundaries.applyTo(n, p.now)
	p.offer(n)
	wrong := len(c.Errors) > 0
	for i := range c.History {
		el := &c.History[i]
		if el.Out {
			continue // a letter names it
		}
		chunk := p.chunkOf(h.origin, c, el)
		if len(el.Errors) > 0 {
			f := errorsIn(el.Errors)
			wrong = wrong || f.any()
			if f.any() && len(el.Threads) == 0 {
				continue
			}
			chunk.Errors = f.others
			p.beside(h.origin, c, i, &f)
		}
		if index > math.MaxUint16 || i > math.MaxUint16 {
			p.other(h.origin, c) // a reference cannot name it; no sender batches so many
			continue
		}
		el.Checked = true // its digest is taken here, and Body.Bound has seen it
		chunk.Ref = history.Ref{Topic: h.origin.Topic, Offset: h.origin.Offset, Change: uint16(index), Element: uint16(i)}
		p.offerChunk(n, h.origin, chunk)
	}
	if wrong {
		p.failed(h, c, n)
	}
}

// chunkOf returns the resequencer's view of an element. The caller adds the reference.
func (p *Partition) chunkOf(o *Origin, c *split.Change, el *split.HistoryElement) history.Chunk {
	return history.Chunk{
		Phase: el.Phase, Order: el.ChunkOrder, Progress: el.Progress,
		HasPhase: el.HasPhase, HasOrder: el.HasChunkOrder, HasProgress: el.HasProgress,
		Digest: schemas.HashBytes(p.content(c, el.Raw)), Messages: messagesIn(el), ReceivedAt: o.ReceivedAt,
		Again: o.Requeue != nil,
	}
}

func (p *Partition) offerChunk(n *number, o *Origin, c history.Chunk) {
	if n.history.Chunk(o.ReceivedAt, c) == history.Duplicate {
		p.counts.Duplicates[KindChunk]++
	}
}

// offered is a number with chunks in the body that is processed.
type offered struct {
	number *number
	held   int // how many of its chunks were held before
}

func (p *Partition) offer(n *number) {
	for i := range p.offers {
		if p.offers[i].number == n {
			return
		}
	}
	p.offers = append(p.offers, offered{n, n.history.Held()})
}

// advanceOffered releases chunks after the resequencers have all chunks of a body. A change may have a chunk that
// belongs before those of another one.
func (p *Partition) advanceOffered(h inHand) {
	for _, o := range p.offers {
		p.advance(o.number, h)
		p.holds = p.holds || o.number.history.Held() > o.held
	}
	p.offers = p.offers[:0]
}

func messagesIn(el *split.HistoryElement) (n int) {
	for i := range el.Threads {
		n += len(el.Threads[i].Messages)
	}
	return n
}

// advance releases a number's chunks while their bytes are in memory and the turn allows it. If the next one has to
// be read again, or to wait for the next turn, the number is queued.
func (p *Partition) advance(n *number, h inHand) {
	for {
		d, ok := n.history.Next(p.now)
		if !ok {
			return
		}
		if !h.holds(d.Ref) || p.turn.chunkWaits(h) {
			p.enqueueHeld(n)
			return
		}
		c, el := h.body.Chunk(int(d.Ref.Change), int(d.Ref.Element))
		if h.again && !el.Checked {
			// An earlier version took the digest of the bytes as they are.
			if !n.history.Is(d, schemas.HashBytes(p.content(c, el.Raw))) && !n.history.Is(d, schemas.HashBytes(el.Raw)) {
				n.history.Missing(p.now, d) // the log holds other bytes at that place
				continue
			}
			p.fit(h, d)
			el.Checked = true
		}
		p.turn.chunks++
		if whole := p.leave(n, d, h.origin, c, el); !whole {
			p.enqueueHeld(n)
			return
		}
	}
}

// leave emits the messages of a chunk that its window has not seen: all that have not left, or as many as the turn
// allows. It reports whether the whole chunk has left.
func (p *Partition) leave(n *number, d history.Departure, o *Origin, c *split.Change, el *split.HistoryElement) (whole bool) {
	origin := p.place(o, c.Entry, c.Index, int(d.Ref.Element))
	var page []byte
	if d.Known != nil {
		most := p.turn.atMost(messagesIn(el) - d.From)
		page = make([]byte, 0, most*dedup.EntryBytes)
		d.Known.Expect(most)
	}
	var left, duplicates, at int
	past := pastChunk{
		o: o, n: n,
		e: event{topic: schemas.TopicHistory, ceType: schemas.TypeHistory, source: n.source, origin: origin, trace: o},
		m: schemas.Message{
			WABAID: n.id.WABAID, PhoneNumberID: n.id.PhoneNumberID, DisplayPhoneNumber: str(n.display(c, o.ReceivedAt)),
			Historical: true, Sync: &d.Position,
		},
	}
	for i := range el.Threads {
		thread := &el.Threads[i]
		began := false
		past.key = nil
		for j := range thread.Messages {
			msg := &thread.Messages[j]
			if at++; at <= d.From {
				continue
			}
			if done := at - 1 - d.From; done > 0 && done%PartItems == 0 && o.Requeue == nil && p.turn.over(done) {
				p.turn.items += done
				n.history.Partly(p.now, d, at-1, left, duplicates, page)
				return false
			}
			id := p.messageKey(c, n.id.PhoneNumberID, msg)
			rank := rankOf(msg)
			version := id
			if rank == schemas.RankEdit {
				version = p.editKey(c, id, msg)
			}
			past.e.id = schemas.MessageEventID(schemas.TypeHistory, version, rank)
			if only := o.Requeue.event(); only != "" {
				if past.e.id.Hex() != only {
					continue
				}
			} else if d.Known != nil {
				was, seen := d.Known.Raise(id, rank)
				if fresh := !seen || rank > was; fresh {
					page = dedup.AppendEntry(page, id, rank)
				} else if rank != schemas.RankEdit || was > rank {
					duplicates++
					p.counts.Duplicates[KindHistory]++
					continue
				}
				if rank == schemas.RankEdit {
					if _, seen := d.Known.Raise(version, rank); seen {
						duplicates++
						p.counts.Duplicates[KindHistory]++
						continue
					}
					page = dedup.AppendEntry(page, version, rank)
				}
			}
			left++
			if !began { // not needed for a thread that has left in part, or is a duplicate
				p.people.Chat(c, n.display(c, o.ReceivedAt), thread)
				began = true
			}
			p.pastMessage(&past, msg, id, rank)
		}
	}
	p.turn.items += at - d.From
	n.history.Left(p.now, d, left, duplicates, page)
	return true
}
