package partition

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// What is known of numbers is bounded (ADR 0036). A number of which nothing is remembered but its identity and how many
// onboardings it had is idle. Idle numbers are forgotten after numberKept, and before that where there are too many: those
// first of which nothing was heard for longest. It is as if they were new, then.
const (
	// numbersMax bounds the numbers of one WABA, and numbersOfPartition those of a partition. Webhooks about more
	// are set aside, unless idle ones can go.
	numbersMax         = 4096
	numbersOfPartition = 65536
	// numbersOfSource bounds those that one source told of first. The last quarter of a partition is left to the others.
	numbersOfSource = numbersOfPartition / 4 * 3
	// idleMax bounds the idle numbers of a partition.
	idleMax = 8192
	// numberKept is for how long an idle number is remembered.
	numberKept = 90 * 24 * time.Hour
	// usedPrecision is how exactly the time is known at which a number was heard of last.
	usedPrecision = 7 * 24 * time.Hour
	// lookedAtMax bounds how many numbers one search for idle ones looks at.
	lookedAtMax = 64
)

// recency holds the numbers in the order in which something was heard of them last, as far as forgetting needs it.
type recency struct {
	first, last *number
	n           int
}

func (r *recency) push(n *number) {
	if n.before = r.last; r.last != nil {
		r.last.after = n
	} else {
		r.first = n
	}
	r.last = n
	r.n++
}

func (r *recency) remove(n *number) {
	if n.before != nil {
		n.before.after = n.after
	} else {
		r.first = n.after
	}
	if n.after != nil {
		n.after.before = n.before
	} else {
		r.last = n.before
	}
	n.before, n.after = nil, nil
	r.n--
}

// renew puts a number to the end.
func (r *recency) renew(n *number) {
	if r.last != n {
		r.remove(n)
		r.push(n)
	}
}

// each goes through all numbers.
func (r *recency) each(do func(*number)) {
	for n := r.first; n != nil; n = n.after {
		do(n)
	}
}

// used notes that something was heard of a number.
func (t *Partition) used(n *number) {
	t.recency.renew(n)
	if now := t.now.UnixMilli(); now-n.usedMS >= usedPrecision.Milliseconds() {
		n.usedMS, n.told = now, false
	}
}

// idle tells whether nothing is remembered of a number but its identity and how many onboardings it had, and nothing of it
// waits to be written.
func (n *number) idle() bool {
	return !n.changed && !n.wanting && !n.scheduled && n.removing.IsZero() && !n.again && n.told && n.history.Idle() && n.media.Idle()
}

// roomFor tells why no more number of a business can be remembered, told by a source. It forgets one where that makes room.
func (t *Partition) roomFor(waba, source string) schemas.Reason {
	if b := t.businesses[waba]; b != nil && len(b.numbers) >= numbersMax && !t.forgetOneOf(b) {
		return schemas.ReasonTooManyNumbers
	}
	if m := t.sourceShares[source]; m != nil && m.numbers >= numbersOfSource && !t.forgetOneOfSource(m) {
		return schemas.ReasonSourceNumbers
	}
	if t.recency.n >= numbersOfPartition && t.forgetSome(1) == 0 {
		return schemas.ReasonTooManyNumbers
	}
	return ""
}

// forgetOneOf forgets an idle number of a business.
func (t *Partition) forgetOneOf(b *business) bool {
	for range min(lookedAtMax, len(b.numbers)) {
		b.next = (b.next + 1) % len(b.numbers)
		if n := b.numbers[b.next]; n.idle() {
			t.forget(n)
			return true
		}
	}
	return false
}

// forgetIdle forgets the numbers that are idle for too long, or are too many. It is called at the end of a
// transaction that concerned so many numbers.
func (t *Partition) forgetIdle(concerned int) {
	if over := t.recency.n - idleMax; over > 0 && t.outer == nil {
		t.forgetSome(min(over, concerned+lookedAtMax))
	}
	for range lookedAtMax {
		n := t.recency.first
		switch {
		case n == nil || t.outer != nil || n.usedMS != 0 && t.now.UnixMilli()-n.usedMS < numberKept.Milliseconds():
			return
		case n.usedMS == 0: // of a record of an earlier version
			t.used(n)
			t.touch(n)
		case n.idle():
			t.forget(n)
		default:
			t.recency.renew(n)
		}
	}
}

// forgetSome forgets idle numbers, the longest unheard of first, and tells how many. It looks at so many more at most.
func (t *Partition) forgetSome(most int) (forgotten int) {
	for range most + lookedAtMax {
		n := t.recency.first
		if n == nil || forgotten == most {
			break
		}
		if n.idle() {
			t.forget(n)
			forgotten++
		} else {
			t.recency.renew(n)
		}
	}
	return forgotten
}

// forget forgets a number, also on `state`.
func (t *Partition) forget(n *number) {
	t.state(t.arena.copy(stateNumber, n.key), nil)
	n.history.Forget(func(key string) { t.state(t.arena.copy(stateHistory, n.key, "|", key), nil) })
	t.recency.remove(n)
	t.uncountNumber(n)
	delete(t.numbers, n.id.WABAID+"/"+n.id.PhoneNumberID)
	b := n.business
	b.remove(n)
	if len(b.numbers) == 0 && len(b.fresh) == 0 {
		delete(t.businesses, b.id)
		t.onboardings.forget(b.id)
	}
}
