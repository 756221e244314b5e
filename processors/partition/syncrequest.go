package partition

import (
	"strings"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// SyncRequest processes a record of the desk: a step of a request for a sync. The value is that of the log, because the
// desk compresses nothing. A replay with a state of its own writes no syncs, so it does not need requests.
func (p *Partition) SyncRequest(o *Origin) {
	p.holds = false
	if o.Replay != nil && o.Replay.Own {
		return
	}
	p.passed(o.ReceivedAt)
	step, err := syncrequest.Decode(o.Value)
	if err != nil {
		p.DeadLetter(o, schemas.ReasonSyncRequest, err.Error())
		return
	}
	if to := p.cfg.PartitionOf(bytesOf(step.WABAID)); to != p.cfg.Partition {
		p.rerouteRequest(o, step.WABAID, to)
		return
	}
	n, reason := p.numberOfRequest(&step)
	if n == nil {
		p.DeadLetter(o, reason, "the number of the request cannot be remembered")
		return
	}
	p.applyFreshEvents(n)
	n.history.Request(o.ReceivedAt, &step)
	p.concerns(o, n)
	p.used(n)
	p.touch(n)
}

// numberOfRequest finds or creates the number of a request. A request does not introduce a number to the partition of its
// id: only webhooks do, because a replay learns the numbers from these.
func (p *Partition) numberOfRequest(step *syncrequest.Record) (*number, schemas.Reason) {
	if n, ok := p.numbers[step.WABAID+"/"+step.PhoneNumberID]; ok {
		return n, ""
	}
	if reason := p.roomFor(step.WABAID, syncrequest.Source); reason != "" {
		return nil, reason
	}
	n := p.addNumber(history.Identity{WABAID: strings.Clone(step.WABAID), PhoneNumberID: strings.Clone(step.PhoneNumberID)})
	p.countNumber(n, p.sourceShare(syncrequest.Source))
	return n, ""
}

// rerouteRequest passes a request on to the partition of its WABA, unchanged.
func (p *Partition) rerouteRequest(o *Origin, waba string, to int32) {
	hs := make([]Header, 0, len(o.Headers)+1)
	for _, h := range o.Headers {
		switch h.Key {
		case schemas.HeaderOrigin, schemas.HeaderReplayRole, schemas.HeaderRequeue:
			continue
		}
		hs = append(hs, h)
	}
	hs = append(hs, Header{schemas.HeaderOrigin, o.Label})
	p.out(Record{Topic: schemas.TopicRerouted, Partition: to, Key: p.arena.copy(waba), Value: o.Value, Headers: hs})
	p.counts.Events[schemas.TopicRerouted]++
}
