package queue

import (
	"container/heap"
	"slices"
	"time"
)

func (q *Queue) business(partition int32, key string) *business {
	k := businessKey{partition, key}
	b := q.businesses[k]
	if b == nil {
		b = &business{key: key, partition: partition, list: listNone, index: -1}
		q.businesses[k] = b
	}
	return b
}

// queue puts a business where it belongs.
func (q *Queue) queue(b *business, now time.Time) {
	if b.gone || b.drained || b.sending {
		return
	}
	if b.empty() {
		if b.failures == 0 {
			delete(q.businesses, businessKey{b.partition, b.key})
			b.gone = true
		}
		b.list = listNone
		if b.index >= 0 {
			heap.Remove(&q.waiting, b.index)
		}
		return
	}
	if b.due.After(now) {
		b.list = listNone
		if b.index < 0 {
			heap.Push(&q.waiting, b)
		} else {
			heap.Fix(&q.waiting, b.index)
		}
		return
	}
	list := listBacklog
	switch {
	case b.slow:
		list = listSlow
	case len(b.items[0]) > 0:
		list = listLive
	}
	if b.list != list {
		b.list = list
		q.ready[list] = append(q.ready[list], b)
	}
}

// wake moves the businesses whose wait is over to the ready lists.
func (q *Queue) wake(now time.Time) {
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		b, _ := heap.Pop(&q.waiting).(*business)
		q.queue(b, now)
	}
}

// Wake returns the next time at which a wait ends; zero: nothing waits.
func (q *Queue) Wake(now time.Time) time.Time {
	at := time.Time{}
	if len(q.waiting) > 0 {
		at = q.waiting[0].due
	}
	if q.paused.After(now) && q.paused.After(at) {
		at = q.paused
	}
	return at
}

// Ready reports whether Next has a delivery.
func (q *Queue) Ready(now time.Time) bool {
	q.wake(now)
	return q.choose(now) != listNone
}

// choose is the ready list from which the next delivery comes.
func (q *Queue) choose(now time.Time) int {
	if q.disabled || q.paused.After(now) || q.taken >= q.limits.InFlight {
		return listNone
	}
	order := [...]int{listSlow, listLive, listBacklog}
	if q.limits.InFlight == 1 {
		order = [...]int{listLive, listBacklog, listSlow}
	}
	for _, list := range order {
		if list == listSlow && q.slow >= max(1, q.limits.InFlight/20) {
			continue
		}
		// Businesses that are elsewhere by now leave the list here.
		l := q.ready[list]
		for len(l) > 0 && l[0].list != list {
			l = l[1:]
		}
		if q.ready[list] = l; len(l) > 0 {
			return list
		}
	}
	return listNone
}

// Next is the next delivery, nil where there is none. It takes a slot.
func (q *Queue) Next(now time.Time) *Delivery {
	q.wake(now)
	list := q.choose(now)
	if list == listNone {
		return nil
	}
	b := q.ready[list][0]
	q.ready[list] = q.ready[list][1:]
	b.list, b.sending = listNone, true
	lane := 0
	if len(b.items[0]) == 0 {
		lane = 1
	}
	n, bytes := 1, b.items[lane][0].Bytes
	for !b.single && n < q.limits.EventsMax && n < len(b.items[lane]) && bytes+b.items[lane][n].Bytes <= q.limits.BytesMax {
		bytes += b.items[lane][n].Bytes
		n++
	}
	d := &Delivery{Items: slices.Clone(b.items[lane][:n]), Business: b.key, Attempt: b.failures, business: b, slow: list == listSlow}
	q.taken++
	if d.slow {
		q.slow++
	}
	return d
}
