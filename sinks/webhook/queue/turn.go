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
		b = &business{key: key, partition: partition, list: listNone, index: -1, seen: -1}
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
	if q.paused.After(now) {
		return q.paused
	}
	if len(q.waiting) > 0 {
		return q.waiting[0].due
	}
	return time.Time{}
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
	return q.take(b, list)
}

// Probe is the delivery that shows best whether the endpoint works: of a business that did not fail, if there is one, and of one that failed
// while others succeeded only if there is no other one.
func (q *Queue) Probe(now time.Time) *Delivery {
	q.wake(now)
	if q.choose(now) == listNone {
		return nil
	}
	best, from, at := 3, listNone, 0
	for _, list := range [...]int{listLive, listBacklog, listSlow} {
		for i, b := range q.ready[list] {
			rank := 1
			switch {
			case b.list != list: // it is elsewhere by now
				continue
			case b.apart >= suspectAt:
				rank = 2
			case b.failures == 0 && b.apart == 0:
				rank = 0
			}
			if rank < best {
				best, from, at = rank, list, i
			}
		}
	}
	b := q.ready[from][at]
	q.ready[from] = slices.Delete(q.ready[from], at, at+1)
	return q.take(b, from)
}

// take makes the delivery of a business that left a ready list.
func (q *Queue) take(b *business, list int) *Delivery {
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
