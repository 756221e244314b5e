package partition

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// The remembered numbers are bounded (ADR 0036). A number is idle if only its identity and the number of its
// onboardings are remembered. Idle numbers are forgotten after numberKept, and earlier if there are too many: those
// first that were unused for longest. Afterwards they count as new.
const (
	// numbersMax bounds the numbers of one WABA, and numbersOfPartition those of a partition. Webhooks about more are
	// set aside, unless idle numbers can be forgotten.
	numbersMax         = 4096
	numbersOfPartition = 65536
	// numbersOfSource bounds the numbers that one source named first. The last quarter of a partition is left to the
	// others.
	numbersOfSource = numbersOfPartition / 4 * 3
	// idleMax bounds the idle numbers of a partition.
	idleMax = 8192
	// numberKept is how long an idle number is remembered.
	numberKept = 90 * 24 * time.Hour
	// usedPrecision is the precision of the time at which a number was used last.
	usedPrecision = 7 * 24 * time.Hour
	// lookedAtMax bounds the numbers that one search for idle ones examines.
	lookedAtMax = 64
)

// recency holds the numbers in the order of their last use, as far as forgetting needs it.
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

// renew moves a number to the end.
func (r *recency) renew(n *number) {
	if r.last != n {
		r.remove(n)
		r.push(n)
	}
}

// each calls a function for all numbers.
func (r *recency) each(do func(*number)) {
	for n := r.first; n != nil; n = n.after {
		do(n)
	}
}

// used notes that a record named a number.
func (p *Partition) used(n *number) {
	p.recency.renew(n)
	if now := p.now.UnixMilli(); now-n.usedMS >= usedPrecision.Milliseconds() {
		n.usedMS, n.identityWritten = now, false
	}
}

// idle reports whether only the identity of a number and the number of its onboardings are remembered, and all of it
// is written.
func (n *number) idle() bool {
	return !n.changed && !n.inHeldQueue && !n.scheduled && n.removing.IsZero() && n.againFor == "" && n.identityWritten && n.history.Idle() && n.media.Idle()
}

// roomFor returns the reason why a source cannot add another number of a business; empty: it can. If needed, it
// forgets a number to make room.
func (p *Partition) roomFor(waba, source string) schemas.Reason {
	if b := p.businesses[waba]; b != nil && len(b.numbers) >= numbersMax && !p.forgetOneOf(b) {
		return schemas.ReasonTooManyNumbers
	}
	if m := p.sourceShares[source]; m != nil && m.numbers >= numbersOfSource && !p.forgetOneOfSource(m) {
		return schemas.ReasonSourceNumbers
	}
	if p.recency.n >= numbersOfPartition && p.forgetSome(1) == 0 {
		return schemas.ReasonTooManyNumbers
	}
	return ""
}

// forgetOneOf forgets an idle number of a business.
func (p *Partition) forgetOneOf(b *business) bool {
	for range min(lookedAtMax, len(b.numbers)) {
		b.next = (b.next + 1) % len(b.numbers)
		if n := b.numbers[b.next]; n.idle() {
			p.forget(n)
			return true
		}
	}
	return false
}

// forgetIdle forgets numbers that are idle for too long, or exceed the bound. It is called at the end of a
// transaction that concerned so many numbers.
func (p *Partition) forgetIdle(concerned int) {
	if over := p.recency.n - idleMax; over > 0 && p.outer == nil {
		p.forgetSome(min(over, concerned+lookedAtMax))
	}
	for range lookedAtMax {
		n := p.recency.first
		switch {
		case n == nil || p.outer != nil || n.usedMS != 0 && p.now.UnixMilli()-n.usedMS < numberKept.Milliseconds():
			return
		case n.usedMS == 0: // from a record of an earlier version
			p.used(n)
			p.touch(n)
		case n.idle():
			p.forget(n)
		default:
			p.recency.renew(n)
		}
	}
}

// forgetSome forgets idle numbers, those unused for longest first, and returns how many. It examines at most so many
// more.
func (p *Partition) forgetSome(most int) (forgotten int) {
	for range most + lookedAtMax {
		n := p.recency.first
		if n == nil || forgotten == most {
			break
		}
		if n.idle() {
			p.forget(n)
			forgotten++
		} else {
			p.recency.renew(n)
		}
	}
	return forgotten
}

// forget forgets a number, also in `state`.
func (p *Partition) forget(n *number) {
	p.state(p.arena.copy(stateNumber, n.key), nil)
	n.history.Forget(func(key string) { p.state(p.arena.copy(stateHistory, n.key, "|", key), nil) })
	p.recency.remove(n)
	p.uncountNumber(n)
	delete(p.numbers, n.id.WABAID+"/"+n.id.PhoneNumberID)
	b := n.business
	b.remove(n)
	if len(b.numbers) == 0 && len(b.fresh) == 0 {
		delete(p.businesses, b.id)
		p.onboardings.forget(b.id)
	}
}
