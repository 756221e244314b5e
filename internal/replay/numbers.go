package replay

import (
	"fmt"
	"slices"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/directory"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// numbers are the phone numbers that webhooks named, with their WABAs: what the processors knew of them when a body came
// that names a number alone.
type numbers struct {
	byID   map[string]*number
	ofWABA map[string][]string // the ids of a WABA's numbers that live webhooks named
}

type number struct {
	directory directory.Number
	wabas     map[string]*ofWABA
	// declined is the bare value with the decline that counts, as long as the WABA is unknown.
	declined *Record
}

// ofWABA is a number as a WABA's webhooks named it.
type ofWABA struct {
	Display string `json:"display,omitempty"`
	Live    bool   `json:"live,omitempty"` // a live webhook did
	// Again is when an account event was received after which the next live webhook names it anew; zero: there is none.
	Again time.Time `json:"again,omitzero"`
}

// SavedNumber is a number in the progress.
type SavedNumber struct {
	Directory []byte             `json:"directory"`
	WABAs     map[string]*ofWABA `json:"wabas,omitempty"`
	Declined  *Record            `json:"declined,omitempty"`
}

func (n *numbers) number(id []byte) *number {
	known := n.byID[string(id)]
	if known == nil {
		if n.byID == nil {
			n.byID, n.ofWABA = map[string]*number{}, map[string][]string{}
		}
		known = &number{wabas: map[string]*ofWABA{}}
		n.byID[string(id)] = known
	}
	return known
}

// Numbers returns the learnt numbers for the progress.
func (t *Target) Numbers() map[string]SavedNumber { return t.numbers.saved() }

// Know restores the numbers of Numbers.
func (t *Target) Know(all map[string]SavedNumber) error { return t.numbers.restore(all) }

func (n *numbers) saved() map[string]SavedNumber {
	all := make(map[string]SavedNumber, len(n.byID))
	for id, known := range n.byID {
		all[id] = SavedNumber{known.directory.AppendRecord(nil), known.wabas, known.declined}
	}
	return all
}

func (n *numbers) restore(all map[string]SavedNumber) error {
	for id, s := range all {
		d, err := directory.Restore(s.Directory)
		if err != nil {
			return fmt.Errorf("number %s: %w", id, err)
		}
		known := n.number([]byte(id))
		known.directory, known.declined = *d, s.Declined
		for waba, of := range s.WABAs {
			if of == nil {
				continue
			}
			known.wabas[waba] = of
			if of.Live {
				n.ofWABA[waba] = append(n.ofWABA[waba], id)
			}
		}
	}
	return nil
}

// Learn takes notice of the numbers of a body, in the order of the log: another body may name one of them alone. It returns the
// copies that go behind those of this one: of declines, whose number is known now.
func (t *Target) Learn(r *Record, body *split.Body) (moved []Placed) {
	if body == nil {
		return nil
	}
	live := r.Lane.Topic == schemas.TopicRawLive
	for i := range body.Changes {
		c := &body.Changes[i]
		if c.Refused || len(c.WABA) == 0 {
			continue
		}
		if !c.OfNumber() {
			if event, ok := account.EventOf(c); ok && live {
				t.numbers.again(c, event, r.ReceivedAt())
			}
			continue
		}
		known := t.numbers.number(c.PhoneNumberID)
		t.numbers.learn(known, c, r.ReceivedAt(), live)
		if known.declined != nil {
			moved = append(moved, t.moved(known.declined, known.directory.Last()))
			known.declined = nil
		}
	}
	return moved
}

func (n *numbers) learn(known *number, c *split.Change, at time.Time, live bool) {
	of := known.wabas[string(c.WABA)]
	if of == nil {
		of = &ofWABA{}
		known.wabas[string(c.WABA)] = of
		if !live {
			known.directory.Known(string(c.WABA))
		}
	}
	if of.Display == "" && len(c.DisplayPhoneNumber) > 0 {
		of.Display = string(c.DisplayPhoneNumber)
	}
	if live && !of.Live {
		of.Live = true
		n.ofWABA[string(c.WABA)] = append(n.ofWABA[string(c.WABA)], string(c.PhoneNumberID))
		known.directory.Named(string(c.WABA), at)
	}
	if live && !of.Again.IsZero() && at.After(of.Again) {
		of.Again = time.Time{}
		known.directory.Named(string(c.WABA), at)
	}
}

// again takes an account event that begins an onboarding: the numbers that it concerns are the WABA's from then on. Where they are
// many, each of the WABA's is from its next live webhook on, as in processors/partition.
func (n *numbers) again(c *split.Change, event []byte, at time.Time) {
	switch account.KindOf(event) {
	case account.Opens, account.Renews:
	default:
		return
	}
	waba := string(c.WABA)
	all, concerned := n.ofWABA[waba], make([]*number, 0, directory.NamedAtOnceMax)
	for _, id := range all {
		known := n.byID[id]
		if !account.Concerns(c.PhoneNumber, known.wabas[waba].Display) {
			continue
		}
		if len(concerned) == directory.NamedAtOnceMax {
			for _, id := range all {
				n.byID[id].wabas[waba].Again = at
			}
			return
		}
		concerned = append(concerned, known)
	}
	for _, known := range concerned {
		known.directory.Named(waba, at)
	}
}

// bare is the change of a body that names a number alone; nil where it is none.
func bare(body *split.Body) *split.Change {
	if body == nil || len(body.Changes) != 1 || len(body.Changes[0].WABA) > 0 || len(body.Changes[0].PhoneNumberID) == 0 {
		return nil
	}
	return &body.Changes[0]
}

// waba is that of the number that a body names alone, where it was settled when the body was received.
func (t *Target) waba(r *Record, c *split.Change) string {
	if known := t.numbers.byID[string(c.PhoneNumberID)]; known != nil {
		return known.directory.Of(r.ReceivedAt())
	}
	return ""
}

// movedOf is the copy of a body whose number is known and not settled, for its WABA's partition: the decline that it holds is of
// the sync there. One of an unknown number waits until the number is known.
func (t *Target) movedOf(r *Record, c *split.Change) []Placed {
	if t.OwnState || len(c.History)+len(c.Errors) == 0 {
		return nil
	}
	known := t.numbers.number(c.PhoneNumberID)
	waba, declines := known.directory.Last(), len(c.Declines()) > 0
	if waba != "" {
		if declines {
			return []Placed{t.moved(r, waba)}
		}
		return nil
	}
	if slices.ContainsFunc(c.History, isChunk) {
		known.declined = nil // another sync began
	}
	if declines && known.declined == nil { // while there is one, it is the same again
		known.declined = r
	}
	return nil
}

// isChunk reports whether an element of a history is more than errors.
func isChunk(el split.HistoryElement) bool {
	return len(el.Threads) > 0 || len(split.ErrorsOf(el.Errors)) == 0
}

func (t *Target) moved(r *Record, waba string) Placed {
	headers := append(slices.Clip(t.headers(r)),
		Header{schemas.HeaderWABA, []byte(waba)}, Header{schemas.HeaderReplayRole, []byte(schemas.RoleMoved)})
	return Placed{kafka.Partition([]byte(waba), t.Partitions), r.Time, r.Key, r.Value, headers}
}
