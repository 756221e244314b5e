package partition

import (
	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Webhook processes one raw record and its parsed body. Changes of businesses of other partitions are rerouted.
// Parts that cannot be processed go to `other` or `dlq`.
func (p *Partition) Webhook(o *Origin, b *split.Body) {
	p.holds = false
	if s := p.replayStateOf(o); s != nil {
		s.Webhook(o, b)
		p.holds = s.Holds()
		return
	}
	p.process(o, b, &progress{}, false)
}

// process processes a body from its progress on. If inParts is set, it may stop when the turn has reached its limit.
// whole reports whether nothing is left.
func (p *Partition) process(o *Origin, b *split.Body, at *progress, inParts bool) (whole bool) {
	p.holds = false
	p.turn.begin()
	p.inParts = inParts
	p.passed(o.ReceivedAt)
	p.people.Begin()
	o.Requeue.choose(b)
	if o.whole() {
		b.Bound(p.bounds(o))
	}
	inHand := inHand{origin: o, body: b}
	f := &at.odd
	for began := at.change; at.change < b.Rest; at.change, at.item = at.change+1, 0 {
		i := at.change
		if o.Requeue != nil && !o.Requeue.change(i, &b.Changes[i]) {
			continue
		}
		c := &b.Changes[i]
		if at.item > 0 { // its business was determined with an earlier part, and it is processed here
			if c.WABA = nil; at.waba != "" {
				c.WABA = []byte(at.waba)
			}
			if !p.whole(inHand, c, at) {
				p.stopped()
				return false
			}
			continue
		}
		if i > began && p.pause() {
			p.stopped()
			return false
		}
		if len(o.WABA) > 0 {
			p.attribute(o, c)
		}
		business := businessOf(c)
		if len(business) == 0 {
			switch {
			case o.Replay != nil && o.Replay.Extra: // the copy in the record's own partition reports it
			case c.Refused:
				f.odd(i, c)
			default:
				f.whole(i, schemas.ReasonNoBusiness)
			}
			continue
		}
		if to := p.cfg.PartitionOf(business); to != p.cfg.Partition {
			// A replay has written the record to that partition, too. A letter with one event belongs to this partition.
			switch {
			case o.Replay != nil || o.Requeue.event() != "":
			case c.Over: // its parts are counted with those of this body
				f.odd(i, c)
				f.wholly()
			default:
				p.reroute(o, b.Envelope, c, to)
			}
			continue
		}
		if c.Refused {
			f.odd(i, c)
			continue
		}
		// The partition of the number's id knows its WABA, which may belong to another partition. A replay does not
		// know that.
		if len(c.WABA) == 0 {
			p.attribute(o, c)
			if to := p.cfg.PartitionOf(businessOf(c)); to != p.cfg.Partition {
				p.reroute(o, b.Envelope, c, to)
				continue
			}
		}
		if o.Moved && o.Replay != nil && o.Topic != schemas.TopicRerouted {
			p.declined(o, c)
			continue
		}
		at.unfit = false
		if !p.whole(inHand, c, at) {
			at.waba = string(c.WABA)
			p.stopped()
			return false
		}
	}
	if b.Rest < len(b.Changes) && o.chooses(b) {
		f.over(b.Rest, b.Over)
	}
	p.advanceOffered(inHand)
	if len(b.Changes) == 0 && (o.Replay == nil || !o.Replay.Extra) {
		f.reason = schemas.ReasonEmpty
	}
	if f.reason != "" && o.Requeue.event() == "" { // for a letter with one event, the rest had a letter of its own
		p.DeadLetter(o, f.reason, f.text(), f.headers(b)...)
	}
	return true
}

// whole processes the present change, and notes which parts could not be processed. It returns false if the rest of
// the change has to wait.
func (p *Partition) whole(h inHand, c *split.Change, at *progress) bool {
	p.unfit = at.unfit
	reason, whole := p.change(h, c, at)
	if at.unfit = p.unfit; !whole {
		return false
	}
	switch {
	case reason != "":
		at.odd.whole(at.change, reason)
	case p.unfit:
		at.odd.odd(at.change, c)
		at.odd.wholly()
	case c.Cut > 0:
		at.odd.odd(at.change, c)
	}
	return true
}

// Holds reports whether a chunk of the last webhook is held. Its record is read again when NextHeld returns the chunk,
// unless the chunk is given up.
func (p *Partition) Holds() bool { return p.holds }

// businessOf returns the key that decides the partition: the WABA, or the number if the envelope names no WABA.
func businessOf(c *split.Change) []byte {
	if len(c.WABA) > 0 {
		return c.WABA
	}
	return c.PhoneNumberID
}

// inHand is a body whose bytes are in memory.
type inHand struct {
	origin *Origin
	body   *split.Body
	again  bool // it was processed before, and its record was read again
}

func (h inHand) holds(ref history.Ref) bool {
	if h.body == nil || ref.Topic != h.origin.Topic || ref.Offset != h.origin.Offset {
		return false
	}
	c, _ := h.body.Chunk(int(ref.Change), int(ref.Element))
	return c != nil
}

// Names of fields that the code compares with.
const (
	fieldHistory = "history"
	fieldStandby = "standby"
	fieldEchoes  = "smb_message_echoes" // by any of its names: see split.Change.Field
)

// change processes one change of a business of this partition, from its first item that was not processed yet.
// reason is set if the change belongs to `dlq`. whole is false if the rest has to wait.
func (p *Partition) change(h inHand, c *split.Change, at *progress) (reason schemas.Reason, whole bool) {
	if !c.HasOwnField() {
		if event, ok := account.EventOf(c); ok {
			p.account(h.origin, c, event)
			return "", true
		}
		p.other(h.origin, c)
		return "", true
	}
	if c.Parts() == 0 && !h.origin.Moved {
		if c.Cut == 0 && !c.Partial {
			p.other(h.origin, c) // a known field without any known part
		}
		return "", true
	}
	if len(c.PhoneNumberID) == 0 {
		if c.OnlyErrors() && !c.Partial {
			p.other(h.origin, c)
			return "", true
		}
		return schemas.ReasonNoNumber, true
	}
	n, reason := p.number(h.origin, c)
	if n == nil {
		return reason, true
	}
	if !n.live && h.origin.live() {
		n.live, n.identityWritten = true, false
	}
	p.concerns(h.origin, n)
	if at.item == 0 {
		if h.origin.Moved {
			defer p.retell(h.origin, n)
		}
		if len(c.History)+len(c.Messages)+len(c.Echoes)+len(c.StateSync) > 0 {
			p.connected(h.origin, n)
		}
		if len(c.History)+len(c.Errors) > 0 {
			p.history(h, c, at.change, n)
		}
	}
	if len(c.Messages)+len(c.Echoes)+len(c.Statuses)+len(c.Errors)+len(c.Handovers) > 0 && !p.live(h.origin, c, n, &at.item) {
		return "", false
	}
	if len(c.StateSync) > 0 && !p.addressBook(h.origin, c, n, &at.item) {
		return "", false
	}
	if len(c.WABA) == 0 && len(c.History)+len(c.Errors) > 0 {
		p.follow(h.origin, n, c)
	}
	return "", true
}
