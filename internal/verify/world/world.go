package world

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
)

// World is the plan of a run.
type World struct {
	cfg     Config
	numbers []number
	first   []int // of each business, its first number
	chunks  []chunk
	follow  []follow
	ops     [][]contactOp // of each number
	bodies  []body
	stages  [][]Script
}

// Script is what happens to one business.
type Script struct{ Steps []Step }

// Step is a bag of bodies, sent in about this order but several at once. A step begins when every
// delivery of the one before has ended.
type Step struct {
	Bodies []int         // a body may stand here more than once: it is sent again
	After  time.Duration // rest before the step
	// Whole: the step makes sense only when every body before was acknowledged.
	Whole bool
}

// New plans a world.
func New(cfg Config) (*World, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("plan a world: %w", err)
	}
	w := &World{cfg: cfg}
	w.populate()
	w.plan()
	return w, nil
}

// Numbers lists the numbers for the head of the truth.
func (w *World) Numbers() []truth.Number {
	ns := make([]truth.Number, len(w.numbers))
	for i := range w.numbers {
		n := &w.numbers[i]
		ns[i] = truth.Number{Index: i, WABA: n.waba, PhoneNumberID: n.id, Display: n.display}
	}
	return ns
}

// Stages are played one after the other; the scripts of a stage together.
func (w *World) Stages() [][]Script { return w.stages }

// Bodies is the number of bodies.
func (w *World) Bodies() int { return len(w.bodies) }

// Stamp says when body i is first sent and returns that moment in Unix seconds, from the second call on
// the one of the first. It is not to be called by two goroutines at once.
func (w *World) Stamp(i int, now time.Time) (at int64, first bool) {
	b := &w.bodies[i]
	if b.at == 0 {
		b.at = now.Unix()
		return b.at, true
	}
	return b.at, false
}

// populate makes the numbers and deals out messages, contacts and live items among them.
func (w *World) populate() {
	d := roll(w.cfg.Seed, atNumber)
	for b := range w.cfg.Businesses {
		count := 1
		if d.chance(w.cfg.SecondNumber) {
			count = 2
		}
		dialog := d.chance(w.cfg.Dialog)
		ycloud := b > 0 && d.chance(w.cfg.YCloud) // somebody has to take the messages
		if ycloud {
			count, dialog = 1, false
		}
		w.first = append(w.first, len(w.numbers))
		for range count {
			i := len(w.numbers)
			w.numbers = append(w.numbers, number{
				index: i, business: b, dialog: dialog,
				waba: wabaID(w.cfg.Seed, b), id: phoneNumberID(w.cfg.Seed, i), ycloud: ycloud,
			})
			n := &w.numbers[i]
			if d.chance(w.cfg.Spellings) {
				n.country = country(1 + d.n(countries-1))
			}
			// An account event that names the number concerns each of the business's whose number is not known.
			n.noName = count == 1 && !ycloud && d.chance(w.cfg.NoName)
			n.display = displayNumber(w.cfg.Seed, i, n.country)
			if ycloud {
				n.id = n.display // YCloud knows no other id
				if d.chance(0.7) {
					n.decoy = wabaID(w.cfg.Seed, (b+1+d.n(max(1, w.cfg.Businesses-1)))%w.cfg.Businesses)
				}
			}
		}
	}
	// Few businesses have most of the messages.
	weights := make([]float64, len(w.numbers))
	var total float64
	for i := range w.numbers {
		n := &w.numbers[i]
		n.declined = i > 0 && d.chance(w.cfg.Declines) && !n.ycloud
		n.fromMe, n.to, n.lowerStatus = d.chance(0.5), d.chance(0.5), d.chance(0.2)
		n.numericTime, n.contexts = d.chance(0.1), d.chance(0.2)
		s := 0.05 + d.share()
		weights[i] = s * s * s
		if n.declined {
			weights[i] = 0
		}
		total += weights[i]
	}
	rest := w.cfg.Messages
	biggest := 0
	for i := range w.numbers {
		n := &w.numbers[i]
		if !n.ycloud && (weights[i] > weights[biggest] || w.numbers[biggest].ycloud) {
			biggest = i
		}
		count := int(float64(w.cfg.Messages) * weights[i] / total)
		if n.ycloud {
			count = min(count, YCloudMax)
		}
		rest -= count
		n.spans[0] = count
	}
	if !w.numbers[biggest].ycloud {
		w.numbers[biggest].spans[0] += rest
	}
	for i := range w.numbers {
		n := &w.numbers[i]
		w.settle(n, &d)
	}
	w.ops = make([][]contactOp, len(w.numbers))
	for i := range w.numbers {
		n := &w.numbers[i]
		n.contacts = w.cfg.Contacts / len(w.numbers)
		if i < w.cfg.Contacts%len(w.numbers) {
			n.contacts++
		}
		for c := range n.contacts {
			for v := range w.contactVersions(n, c) {
				w.ops[i] = append(w.ops[i], contactOp{int32(c), int32(v)})
			}
		}
		shuffle(&d, w.ops[i])
	}
}

// settle spreads a number's messages over the phases. A phase that has any keeps at least one.
func (w *World) settle(n *number, d *dice) {
	count := n.spans[0]
	noLast, noMiddle := d.chance(w.cfg.NoLastPhase), d.chance(w.cfg.SkipPhase)
	a, b := 0.03+0.15*d.share(), 0.3+0.4*d.share()
	n.spans = [3]int{}
	if count > 0 {
		n.spans[0] = max(1, int(float64(count)*a))
		n.spans[1] = max(1, int(float64(count)*b))
		n.spans[2] = count - n.spans[0] - n.spans[1]
		if noLast || n.spans[2] < 1 {
			n.spans[1], n.spans[2] = max(count-n.spans[0], 1), 0
		}
		if noMiddle {
			n.spans[0], n.spans[1] = n.spans[0]+n.spans[1], 0
		}
	}
	n.fresh = count / 20
	n.threads = min(max(1, count/40), 5000)
	n.block = 4 + d.n(40)
}
