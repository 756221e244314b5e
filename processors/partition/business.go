package partition

import (
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/identity"
)

// business has the numbers of one WABA, and the account events that some of them have not applied yet. A number
// applies them when a record concerns it. All numbers apply them before time passes, and at the end of a
// transaction. So the cost of many events about many numbers is their sum, not their product.
//
// An event about more than sharedFrom numbers is shared. It is written with the events of the WABA (pendingBoundaries), and not
// with each number. A restore applies it again to the numbers whose records lack it (history.Number.Lacks).
type business struct {
	id      string
	numbers []*number
	byPhone map[string][]*number   // by the canonical display number; see phoneKey
	counts  map[string]numberCount // by phone as of number; see concerned
	total   numberCount
	fresh   []freshEvent // in the order of arrival
	seq     int64        // of the last shared event
	next    int          // index into numbers at which the next search for one to forget begins
}

// freshEvent is an account event that separates onboardings.
type freshEvent struct {
	phone              string // see phoneKey; empty: about all numbers
	parts              history.Boundary
	replay             string    // the replay that wrote its record; empty: none did
	begins             bool      // an onboarding
	names, namesOthers bool      // see begin
	named              time.Time // receipt by raw.live; zero: it came by another topic
}

// phoneKey returns a key that two phone numbers share exactly if account.Concerns treats them as one. It is empty if
// there is none.
func phoneKey(phone string) string {
	var digits []byte
	for i := range len(phone) {
		if c := phone[i]; c-'0' < 10 {
			digits = append(digits, c)
		}
	}
	canonical, _ := identity.AppendCanonical(nil, digits)
	return string(canonical)
}

func (p *Partition) business(waba string) *business {
	b := p.businesses[waba]
	if b == nil {
		b = &business{id: strings.Clone(waba), byPhone: map[string][]*number{}, counts: map[string]numberCount{}}
		p.businesses[b.id] = b
	}
	return b
}

// named notes the display number of a number.
func (b *business) named(n *number) {
	if key := phoneKey(n.id.DisplayPhoneNumber); key != n.phone {
		b.unname(n)
		n.phone = key
		b.byPhone[key] = append(b.byPhone[key], n)
	}
	b.count(n)
}

func (b *business) unname(n *number) {
	if n.phone == "" {
		return
	}
	if list := slices.DeleteFunc(b.byPhone[n.phone], func(o *number) bool { return o == n }); len(list) > 0 {
		b.byPhone[n.phone] = list
	} else {
		delete(b.byPhone, n.phone)
	}
	n.phone = ""
}

func (b *business) remove(n *number) {
	b.unname(n)
	b.uncount(n)
	if i := slices.Index(b.numbers, n); i >= 0 {
		b.numbers = slices.Delete(b.numbers, i, i+1)
	}
}

// sharedFrom is the maximum number of phone numbers whose records an account event is written to.
const sharedFrom = 4

// addFreshEvent adds an account event for the known numbers. It returns the event's number if the event is shared, else 0.
func (p *Partition) addFreshEvent(b *business, e freshEvent) (seq int64) {
	if len(b.numbers) == 0 {
		return 0
	}
	p.begin(b, &e)
	if about := b.concerned(e.phone); about.live+about.other > sharedFrom {
		b.seq = max(b.seq, p.pendingBoundaries.lastSeq(b.id)) + 1
		e.parts.Seq = b.seq
	}
	if len(b.fresh) == 0 {
		p.unapplied = append(p.unapplied, b)
	}
	b.fresh = append(b.fresh, e)
	return e.parts.Seq
}

// applyFreshEvents applies the account events to a number that it has not applied.
func (p *Partition) applyFreshEvents(n *number) {
	b := n.business
	for ; n.applied < len(b.fresh); n.applied++ {
		if e := &b.fresh[n.applied]; e.phone == "" || n.phone == "" || e.phone == n.phone {
			p.applyFreshEvent(n, e)
		}
	}
}

func (p *Partition) applyFreshEvent(n *number, e *freshEvent) {
	if e.names && !n.named.IsZero() || e.namesOthers && n.named.IsZero() {
		p.introduceAgain(n, e.parts.ReceivedAt, wabaReport{e.named, e.replay})
		p.touch(n)
	}
	if n.history.Offboard(e.parts) {
		p.concernedBy(n, e.replay)
		p.touch(n)
	}
	if n.history.Untouched() {
		return // see pendingBoundaries
	}
	n.history.Boundary(e.parts.ReceivedAt, e.parts)
	p.concernedBy(n, e.replay)
	p.touch(n)
}

// appliedAtOnceMax bounds the events of one number, and those of all, that are applied at once: a number remembers no more.
const appliedAtOnceMax = 64

// applyFreshEventsToAll applies to all numbers the account events that they have not applied.
func (p *Partition) applyFreshEventsToAll() {
	for _, b := range p.unapplied {
		of := map[string][]int{}
		for i := range b.fresh {
			list := append(of[b.fresh[i].phone], i)
			of[b.fresh[i].phone] = list[max(len(list)-appliedAtOnceMax, 0):]
		}
		every := of[""]
		for _, n := range b.numbers {
			var own []int
			switch {
			case n.applied == len(b.fresh):
			case n.phone == "":
				n.applied = max(n.applied, len(b.fresh)-appliedAtOnceMax)
				p.applyFreshEvents(n)
			default:
				own = of[n.phone]
				p.applyBothEvents(n, own, every)
			}
			n.applied = 0
		}
		b.fresh = nil
		p.pendingBoundaries.bound(p, b)
	}
	clear(p.unapplied)
	p.unapplied = p.unapplied[:0]
}

// applyBothEvents applies the events about a number and those about all numbers, in the order of arrival.
func (p *Partition) applyBothEvents(n *number, own, every []int) {
	for len(own)+len(every) > 0 {
		var i int
		if len(every) == 0 || len(own) > 0 && own[0] < every[0] {
			i, own = own[0], own[1:]
		} else {
			i, every = every[0], every[1:]
		}
		if i >= n.applied {
			p.applyFreshEvent(n, &n.business.fresh[i])
		}
	}
}
