package publish

import (
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
)

// PublishInOrder implements raw.Ordered. Records of one partition share as few batches as their length allows.
func (p *Publisher) PublishInOrder(rs []*raw.Record, deadline time.Time) (acknowledged int, err error) {
	for acknowledged < len(rs) {
		some := p.samePartition(rs[acknowledged:])
		n := 0
		if len(some) < 2 {
			if err = p.Publish(some[0], deadline); err == nil {
				n = 1
			}
		} else {
			n, err = p.publishGroup(some, deadline)
		}
		if acknowledged += n; err == nil || n == len(some) {
			continue
		}
		r := rs[acknowledged]
		if len(some) < 2 || !tooLarge(err, int64(r.Bytes())) {
			return acknowledged, err
		}
		if err = p.publishSegments(r, int64(r.Bytes())/2, deadline); err != nil {
			return acknowledged, err
		}
		acknowledged++
	}
	return acknowledged, nil
}

// samePartition returns the leading records that belong to one partition and need no segments. It returns one record
// at least.
func (p *Publisher) samePartition(rs []*raw.Record) []*raw.Record {
	queues := p.queues.Load()
	if queues == nil {
		return rs[:1]
	}
	first, limit := queueOf(queues, rs[0]), p.limits[raw.Lane(rs[0].Topic)].Load()
	n := 0
	for n < len(rs) && int64(rs[n].Bytes()) <= limit && queueOf(queues, rs[n]) == first {
		n++
	}
	return rs[:max(n, 1)]
}

// publishGroup publishes records of one partition. After the first one that fails, none is sent.
func (p *Publisher) publishGroup(rs []*raw.Record, deadline time.Time) (acknowledged int, err error) {
	queues := p.queues.Load()
	if queues == nil || p.closed.Load() {
		return 0, raw.ErrClosed
	}
	pubs := make([]*publication, 0, len(rs))
	group := &orderedGroup{}
	for _, r := range rs {
		bytes := int64(r.Bytes())
		if p.inFlight.Add(bytes) > p.cfg.InFlightBytesMax {
			p.inFlight.Add(-bytes)
			break
		}
		pubs = append(pubs, &publication{record: r, deadline: deadline, bytes: bytes, offset: -1, group: group, done: make(chan error, 1)})
	}
	if len(pubs) == 0 {
		return 0, raw.ErrBusy
	}
	if !queueOf(queues, rs[0]).push(pubs...) {
		for _, pub := range pubs {
			p.inFlight.Add(-pub.bytes)
		}
		return 0, raw.ErrClosed
	}
	for _, pub := range pubs {
		e := <-pub.done
		switch {
		case e != nil && err == nil:
			err = e
		case e == nil && err == nil:
			acknowledged++
		}
	}
	if err == nil && len(pubs) < len(rs) {
		err = raw.ErrBusy
	}
	return acknowledged, err
}
