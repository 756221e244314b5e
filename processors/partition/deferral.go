package partition

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/schemas"
)

// deferral has the deferred records of the partition, and the record that is processed in parts.
type deferral struct {
	queue deferred.Queue
	begun *begun
	// changed reports whether the state of begun has to be written; written, whether `state` has a record of it.
	changed, written bool
}

// begun is a record that was taken from the queue, or a record of raw.bulk of which a part was processed. Its next
// part comes before all other work of the partition that is not live.
type begun struct {
	deferred.Head
	at progress
}

// Defer adds a record to the queue of its business, for a reason, instead of processing it now.
func (p *Partition) Defer(business []byte, r deferred.Record, why deferred.Reason) {
	waited := p.Waits(business)
	p.deferral.queue.Put(business, r)
	p.counts.Deferred[why]++
	if !waited {
		p.setBehind(string(business), true)
	}
}

// Deferred returns the queue of deferred records. The caller must not change it.
func (p *Partition) Deferred() *deferred.Queue { return &p.deferral.queue }

// Waits reports whether a record of a business is deferred, or is processed in parts.
func (p *Partition) Waits(business []byte) bool {
	d := &p.deferral
	return d.begun != nil && d.begun.Business == str(business) || d.queue.Has(business)
}

// Start removes the first record from the queue of a business. GoOn or Abandon follows.
func (p *Partition) Start(h deferred.Head) {
	p.deferral.queue.Take(h.Business)
	p.deferral.begun, p.deferral.changed = &begun{Head: h}, true
}

// Begun returns the record that was started and is not finished. inParts reports whether a part of it was processed.
func (p *Partition) Begun() (h deferred.Head, inParts, ok bool) {
	b := p.deferral.begun
	if b == nil {
		return deferred.Head{}, false, false
	}
	return b.Head, b.at.change > 0 || b.at.item > 0, true
}

// Progress returns the first change and item of the started record that were not processed.
func (p *Partition) Progress() (change, item int) {
	at := &p.deferral.begun.at
	return at.change, at.item
}

// Abandon gives up the started record, because it cannot be read.
func (p *Partition) Abandon() {
	business := p.deferral.begun.Business
	p.deferral.begun, p.deferral.changed = nil, true
	if !p.Waits(bytesOf(business)) {
		p.setBehind(business, false)
	}
}

// setBehind sets for the numbers of a business whether it has deferred records. Time does not pass for such numbers:
// due work comes after the records that were received before it.
func (p *Partition) setBehind(business string, behind bool) {
	set := func(n *number) {
		n.behind = behind
		p.schedule.touched(n)
	}
	if business == "" { // these records have no known business
		return
	}
	if b := p.businesses[business]; b != nil {
		for _, n := range b.numbers {
			set(n)
		}
	}
	if n, ok := p.numbers["/"+business]; ok {
		set(n)
	}
}

// behindAtFirst reports whether a new number is behind.
func (p *Partition) behindAtFirst(n *number) bool {
	if p.deferral.begun == nil && p.deferral.queue.Len() == 0 {
		return false
	}
	if n.id.WABAID != "" {
		return p.Waits(bytesOf(n.id.WABAID))
	}
	return p.Waits(bytesOf(n.id.PhoneNumberID))
}

// Behind reports whether any record is deferred or is processed in parts.
func (p *Partition) Behind() bool { return p.deferral.begun != nil || p.deferral.queue.Len() > 0 }

// Lag returns the number of deferred records of an input, and the receipt time of the oldest deferred record of all
// inputs. The time is zero if the input has none.
func (p *Partition) Lag(topic schemas.Topic) (records int, oldest time.Time) {
	d := &p.deferral
	if records = d.queue.Of(topic); d.begun != nil && d.begun.Topic == topic {
		records++
	}
	if records == 0 {
		return 0, time.Time{}
	}
	_, oldest, _ = d.longest()
	return records, oldest
}

// longest returns the business whose records wait longest, since when, and their number; 0: none waits.
func (d *deferral) longest() (business string, since time.Time, records int) {
	h, n := d.queue.Longest()
	if b := d.begun; b != nil && (n == 0 || b.ReceivedAt.Before(h.ReceivedAt) || b.Business == h.Business) {
		if b.Business != h.Business {
			n = 0
		}
		return b.Business, b.ReceivedAt, n + 1
	}
	return h.Business, h.ReceivedAt, n
}

func (d *deferral) size(s *Size) {
	s.Deferred, s.DeferredBytes, s.DeferredBusinesses = d.queue.Len(), d.queue.Bytes(), d.queue.Businesses()
	s.Longest.Business, s.Longest.Since, s.Longest.Records = d.longest()
	if b := d.begun; b != nil {
		s.Deferred, s.DeferredBytes = s.Deferred+1, s.DeferredBytes+b.Bytes
		if !d.queue.Has(bytesOf(b.Business)) {
			s.DeferredBusinesses++
		}
	}
}

const (
	stateDeferred = "q|" // q|number|records or done: see package deferred
	stateBegun    = "o|" // the record that is processed in parts
)

type begunRecord struct {
	Version    int    `json:"v"`
	Business   string `json:"business"`
	Topic      string `json:"topic"`
	Offset     int64  `json:"offset"`
	ReceivedMS int64  `json:"received_ms"`
	Bytes      int64  `json:"bytes"`
	progressRecord
}

const begunVersion = 1

func (d *deferral) flush(p *Partition) {
	d.queue.TakeState(func(key string, value []byte) {
		p.state(p.arena.copy(stateDeferred, key), value)
	})
	if !d.changed {
		return
	}
	d.changed = false
	b := d.begun
	if b == nil {
		if d.written {
			d.written = false
			p.state(p.arena.copy(stateBegun), nil)
		}
		return
	}
	d.written = true
	value, err := json.Marshal(begunRecord{begunVersion, b.Business, b.Topic.String(), b.Offset, b.ReceivedAt.UnixMilli(), b.Bytes, b.at.record()})
	if err != nil {
		panic(fmt.Sprintf("marshal of strings and numbers: %v", err))
	}
	p.state(p.arena.copy(stateBegun), value)
}

func (d *deferral) restoreBegun(value []byte) error {
	var r begunRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return fmt.Errorf("record that is processed in parts: %w", err)
	}
	topic, ok := schemas.ParseTopic(r.Topic)
	if r.Version != begunVersion || !ok {
		return fmt.Errorf("record that is processed in parts: version %d, topic %q; it was written by a newer version", r.Version, r.Topic)
	}
	d.begun = &begun{at: r.progress()}
	d.begun.Business, d.begun.Topic, d.begun.Offset = r.Business, topic, r.Offset
	d.begun.ReceivedAt, d.begun.Bytes = time.UnixMilli(r.ReceivedMS), r.Bytes
	d.written = true
	return nil
}

// restored ends the restore of the queue. It comes before that of the numbers.
func (d *deferral) restored(p *Partition) {
	d.queue.Restored()
	p.recency.each(func(n *number) { n.behind = p.behindAtFirst(n) })
}
