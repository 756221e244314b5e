package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// epoch is when the tests' time begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func since(t time.Time) string { return t.Sub(epoch).String() }

// owner does a Number's duties as the processor does: it keeps what the chunks hold, emits the messages
// that are not known, and writes the state to a map that it can start again from.
type owner struct {
	t      testing.TB
	cfg    Config
	n      *Number
	log    map[Ref][]message // what can be read again
	state  map[string][]byte
	syncs  []schemas.Sync // told since they were looked at, the newest of each window
	told   map[string]bool
	now    time.Time
	closed bool // the window of the last departure was closed before it
	// parts, where it is set, lets chunks leave in parts.
	parts *rand.Rand
}

type message struct {
	id   string
	rank schemas.Rank
}

var testIdentity = Identity{WABAID: "102290129340398", PhoneNumberID: "106540352242922"}

func newOwner(t testing.TB, cfg Config) *owner {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	o := &owner{t: t, cfg: cfg, log: make(map[Ref][]message), state: make(map[string][]byte), told: make(map[string]bool), now: epoch}
	o.n = NewNumber(&o.cfg, testIdentity)
	return o
}

func (o *owner) pass(now time.Time) {
	if now.After(o.now) {
		o.now = now
	}
}

func (o *owner) chunk(c Chunk, ms []message) Verdict {
	o.log[c.Ref] = ms
	o.pass(c.ReceivedAt)
	return o.n.Chunk(o.now, c)
}

func (o *owner) tick(now time.Time) {
	o.pass(now)
	o.n.Tick(now)
}

// leave lets one chunk leave.
func (o *owner) leave() (Departure, []message, bool) {
	d, ok := o.n.Next(o.now)
	if !ok {
		return d, nil, false
	}
	again, _ := o.n.Next(o.now)
	if again.Ref != d.Ref || again.Window != d.Window || again.Late != d.Late {
		o.t.Fatalf("Next changed its mind: %v, then %v", d, again)
	}
	o.closed = slices.ContainsFunc(o.n.windows, func(w *window) bool { return w.number == d.Window && w.closed })
	ms, ok := o.log[d.Ref]
	if !ok {
		o.n.Missing(o.now, d)
		return d, nil, true
	}
	var emitted []message
	var page []byte
	duplicates := 0
	for i, m := range ms {
		if i < d.From {
			continue
		}
		if i > d.From && o.parts != nil && o.parts.IntN(3) == 0 {
			o.n.Partly(o.now, d, i, len(emitted), duplicates, page)
			if o.parts.IntN(3) == 0 {
				o.restart(o.parts)
			}
			rest, restEmitted, ok := o.leave()
			if !ok || rest.Ref != d.Ref || rest.Window != d.Window || rest.From != i || rest.Late != d.Late {
				o.t.Fatalf("after %d of %v the next one is %v", i, d, rest)
			}
			return d, append(emitted, restEmitted...), true
		}
		h := schemas.HashBytes([]byte(m.id))
		if d.Known != nil {
			if was, seen := d.Known.Raise(h, m.rank); seen && m.rank <= was {
				duplicates++
				continue
			}
			page = dedup.AppendEntry(page, h, m.rank)
		}
		emitted = append(emitted, m)
	}
	o.n.Left(o.now, d, len(emitted), duplicates, page)
	return d, emitted, true
}

// commit writes the state and tells the syncs.
func (o *owner) commit() {
	for {
		s, ok := o.n.TakeSync()
		if !ok {
			break
		}
		value := string(s.AppendJSON(nil))
		if o.told[value] {
			o.t.Errorf("a sync is told twice: %s", value)
		}
		o.told[value] = true
		i := slices.IndexFunc(o.syncs, func(told schemas.Sync) bool { return told.Window == s.Window })
		if i < 0 {
			o.syncs = append(o.syncs, s)
		} else {
			o.syncs[i] = s
		}
	}
	o.n.TakeState(func(key string, value []byte) {
		if value == nil {
			delete(o.state, key)
			return
		}
		o.state[key] = value
	})
}

// restart drops the number and restores it from the written records, in an order that rng chooses.
func (o *owner) restart(rng *rand.Rand) {
	o.t.Helper()
	o.commit()
	keys := make([]string, 0, len(o.state))
	for k := range o.state {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	n := NewNumber(&o.cfg, testIdentity)
	for _, k := range keys {
		if rng.IntN(8) == 0 { // an older delivery of the same record does no harm
			if err := n.Restore(k, o.state[k]); err != nil {
				o.t.Fatal(err)
			}
		}
		if err := n.Restore(k, o.state[k]); err != nil {
			o.t.Fatal(err)
		}
	}
	if err := n.Restored(o.now); err != nil {
		o.t.Fatal(err)
	}
	if a, b := o.n.MemoryBytes(), n.MemoryBytes(); b > a+a/2+1024 {
		o.t.Fatalf("restored it costs %d bytes, before %d", b, a)
	}
	o.n = n
}

func describe(d Departure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "window=%d", d.Window)
	p := d.Position
	if p.Phase != nil {
		fmt.Fprintf(&b, " phase=%d", *p.Phase)
	}
	if p.ChunkOrder != nil {
		fmt.Fprintf(&b, " order=%d", *p.ChunkOrder)
	}
	if p.Progress != nil {
		fmt.Fprintf(&b, " progress=%d", *p.Progress)
	}
	if d.Late {
		b.WriteString(" late")
	}
	if d.Late != p.Late || d.Window != p.Window {
		b.WriteString(" CONTRADICTS ITS POSITION")
	}
	if d.Known == nil {
		b.WriteString(" released")
	}
	return b.String()
}

func describeSync(s schemas.Sync) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sync window=%d %s", s.Window, s.State)
	if s.EndReason != "" {
		fmt.Fprintf(&b, "/%s at %s", s.EndReason, since(*s.EndedAt))
	}
	if !s.OrderKnown {
		b.WriteString(" order-unknown")
	}
	fmt.Fprintf(&b, " progress=%d chunks=%d", s.Progress, s.Chunks)
	for _, c := range []struct {
		name string
		n    int64
	}{
		{"held", s.ChunksHeld}, {"late", s.ChunksLate}, {"duplicate", s.ChunksDuplicate}, {"lost", s.ChunksLost},
		{"messages", s.Messages}, {"duplicate-messages", s.Duplicates},
	} {
		if c.n != 0 {
			fmt.Fprintf(&b, " %s=%d", c.name, c.n)
		}
	}
	if s.DeadlineAt != nil {
		fmt.Fprintf(&b, " deadline=%s", since(*s.DeadlineAt))
	}
	if len(s.Error) > 0 {
		fmt.Fprintf(&b, " error=%s", s.Error)
	}
	for _, e := range s.Errors {
		fmt.Fprintf(&b, "\n  error %d %q at %s", e.Code, e.Title, since(e.At))
		if e.Phase != nil {
			fmt.Fprintf(&b, " phase=%d", *e.Phase)
		}
		if e.ChunkOrder != nil {
			fmt.Fprintf(&b, " order=%d", *e.ChunkOrder)
		}
	}
	if s.ErrorsOmitted > 0 {
		fmt.Fprintf(&b, "\n  and %d errors", s.ErrorsOmitted)
	}
	if s.Status != "" {
		fmt.Fprintf(&b, "\n  %s", s.Status)
		for _, t := range []struct {
			name string
			at   *time.Time
		}{{"onboarded", s.OnboardedAt}, {"requested", s.RequestedAt}, {"until", s.RequestDeadlineAt}} {
			if t.at != nil {
				fmt.Fprintf(&b, " %s=%s", t.name, since(*t.at))
			}
		}
	}
	for _, r := range s.Requests {
		fmt.Fprintf(&b, "\n  %s %s at %s attempts=%d", r.SyncType, r.State, since(r.At), r.Attempts)
		if r.ArrivedAt != nil {
			fmt.Fprintf(&b, " arrived=%s", since(*r.ArrivedAt))
		}
		if r.Error != nil {
			fmt.Fprintf(&b, " code=%d", r.Error.Code)
		}
	}
	for _, p := range s.Phases {
		fmt.Fprintf(&b, "\n  phase %d: next=%d left=%d", p.Phase, p.Next, p.Left)
		if p.Held > 0 {
			fmt.Fprintf(&b, " held=%d", p.Held)
		}
		fmt.Fprintf(&b, " progress=%d", p.Progress)
		if p.Finished {
			b.WriteString(" finished")
		}
		for _, g := range p.Gaps {
			kind := "open"
			if g.GivenUp {
				kind = "given-up"
			}
			if g.Lost {
				kind = "lost"
			}
			fmt.Fprintf(&b, " gap=%d-%d/%s/since-%s", g.From, g.To, kind, since(g.Since))
		}
		if p.GapsOmitted > 0 {
			fmt.Fprintf(&b, " and %d gaps", p.GapsOmitted)
		}
	}
	return b.String()
}
