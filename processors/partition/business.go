package partition

import (
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/identity"
)

// business is the numbers of one WABA, and the account events that they have not been told yet. A number is told of them
// when something else concerns it, and all are before time passes and at the end of a transaction: so many events about
// many numbers cost their sum, and not their product.
type business struct {
	id      string
	numbers []*number
	byPhone map[string][]*number   // by the canonical display number; see phoneKey
	counts  map[string]numberCount // by phone as of number; see concerned
	total   numberCount
	fresh   []freshEvent // in the order in which they came
	next    int          // of numbers, where the search for one to forget goes on
}

// freshEvent is an account event that parts onboardings.
type freshEvent struct {
	phone              string // see phoneKey; empty: about all numbers
	parts              history.Boundary
	replay             string    // the replay that wrote its record
	begins             bool      // an onboarding
	names, namesOthers bool      // see begin
	named              time.Time // when it was received by the live lane
}

// phoneKey is one for two phone numbers exactly where account.Concerns takes them for one. It is empty where there is none.
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

func (t *Partition) business(waba string) *business {
	b := t.businesses[waba]
	if b == nil {
		b = &business{id: strings.Clone(waba), byPhone: map[string][]*number{}, counts: map[string]numberCount{}}
		t.businesses[b.id] = b
	}
	return b
}

// named notes the display number of one of the numbers.
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

// announce notes an account event for the numbers that are known.
func (t *Partition) announce(b *business, e freshEvent) {
	if len(b.numbers) == 0 {
		return
	}
	t.begin(b, &e)
	if len(b.fresh) == 0 {
		t.untold = append(t.untold, b)
	}
	b.fresh = append(b.fresh, e)
}

// applyFreshEvents tells a number of the account events that it has not been told.
func (t *Partition) applyFreshEvents(n *number) {
	b := n.business
	for ; n.heard < len(b.fresh); n.heard++ {
		if e := &b.fresh[n.heard]; e.phone == "" || n.phone == "" || e.phone == n.phone {
			t.applyFreshEvent(n, e)
		}
	}
}

func (t *Partition) applyFreshEvent(n *number, e *freshEvent) {
	if e.names && !n.named.IsZero() || e.namesOthers && n.named.IsZero() {
		t.introduceAgain(n, e.parts.ReceivedAt, told{e.named, e.replay})
		t.touch(n)
	}
	if n.history.Untouched() {
		return // see pendingBoundaries
	}
	n.history.Boundary(e.parts.ReceivedAt, e.parts)
	t.concernedBy(n, e.replay)
	t.touch(n)
}

// heardMax bounds the events of one number, and those of all, that a number is told at once: it remembers no more.
const heardMax = 64

// applyFreshEventsToAll tells all numbers of the account events that they have not been told.
func (t *Partition) applyFreshEventsToAll() {
	for _, b := range t.untold {
		of := map[string][]int{}
		for i := range b.fresh {
			list := append(of[b.fresh[i].phone], i)
			of[b.fresh[i].phone] = list[max(len(list)-heardMax, 0):]
		}
		every := of[""]
		for _, n := range b.numbers {
			var own []int
			switch {
			case n.heard == len(b.fresh):
			case n.phone == "":
				n.heard = max(n.heard, len(b.fresh)-heardMax)
				t.applyFreshEvents(n)
			default:
				own = of[n.phone]
				t.applyBothEvents(n, own, every)
			}
			n.heard = 0
		}
		b.fresh = nil
	}
	clear(t.untold)
	t.untold = t.untold[:0]
}

// applyBothEvents tells a number of the events about it and of those about all, in the order in which they came.
func (t *Partition) applyBothEvents(n *number, own, every []int) {
	for len(own)+len(every) > 0 {
		var i int
		if len(every) == 0 || len(own) > 0 && own[0] < every[0] {
			i, own = own[0], own[1:]
		} else {
			i, every = every[0], every[1:]
		}
		if i >= n.heard {
			t.applyFreshEvent(n, &n.business.fresh[i])
		}
	}
}
