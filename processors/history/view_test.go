package history

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// seen is the view of a number at a time.
type seen struct {
	running, opened, declined time.Duration // when; -1: not
	awaiting, idle            bool
}

func look(n *Number) seen {
	when := func(t time.Time, ok bool) time.Duration {
		if !ok {
			return -1
		}
		return t.Sub(epoch)
	}
	at, _, ok := n.Declined()
	return seen{running: when(n.Running()), opened: when(n.Opened()), declined: when(at, ok), awaiting: n.Awaiting(), idle: n.Idle()}
}

func TestWhatIsToldOfANumberFollowsItsSyncs(t *testing.T) {
	o := newOwner(t, DefaultConfig())
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	step := func(name string, do func(), want seen) {
		t.Helper()
		do()
		for {
			if _, _, ok := o.leave(); !ok {
				break
			}
		}
		o.commit()
		if got := look(o.n); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	chunk := func(order int32, d time.Duration) func() {
		return func() {
			c := ordered(0, order, int64(d))
			c.ReceivedAt = at(d)
			o.chunk(c, nil)
		}
	}
	step("nothing came", func() {}, seen{running: -1, opened: -1, declined: -1, awaiting: true, idle: true})
	step("a chunk", chunk(1, time.Hour), seen{running: time.Hour, opened: time.Hour, declined: -1})
	step("an account event that is told early", func() { o.n.Boundary(epoch, Boundary{ReceivedAt: at(3 * time.Hour)}) },
		seen{running: -1, opened: time.Hour, declined: -1, awaiting: true})
	step("it is passed", func() { o.tick(at(3 * time.Hour)) }, seen{running: -1, opened: time.Hour, declined: -1, awaiting: true})
	step("another sync", chunk(1, 4*time.Hour), seen{running: 4 * time.Hour, opened: 4 * time.Hour, declined: -1})
	step("declined", func() { o.n.Decline(epoch, at(5*time.Hour), nil) }, seen{running: -1, opened: 4 * time.Hour, declined: 5 * time.Hour, awaiting: true})
	step("a third sync", chunk(2, 6*time.Hour), seen{running: 6 * time.Hour, opened: 6 * time.Hour, declined: -1})
	step("it is quiet", func() { o.tick(at(13 * time.Hour)) }, seen{running: -1, opened: 6 * time.Hour, declined: -1})
	step("all is forgotten", func() { o.tick(at(30 * 24 * time.Hour)) }, seen{running: -1, opened: -1, declined: -1, idle: true})

	var keys []string
	o.n.Forget(func(key string) { keys = append(keys, key) })
	if len(keys) != 1 || keys[0] != numberKey || len(o.state) != 1 {
		t.Errorf("records %q are named, and %d are there", keys, len(o.state))
	}
	NewNumber(&o.cfg, testIdentity).Forget(func(key string) { t.Errorf("a number without state has the record %s", key) })
}

func TestANumberIsIdleWhenNothingIsToBeWrittenOrRead(t *testing.T) {
	cfg := DefaultConfig()
	for name, do := range map[string]func(n *Number){
		"a boundary waits":     func(n *Number) { n.Boundary(epoch, Boundary{ReceivedAt: epoch}) },
		"it is being restored": func(n *Number) { _ = n.Restore(numberKey, nil) },
		"a chunk is held":      func(n *Number) { n.Chunk(epoch, ordered(0, 2, 1)); n.TakeState(func(string, []byte) {}) },
		"a chunk is leaving":   func(n *Number) { n.Chunk(epoch, ordered(0, 1, 1)); n.Next(epoch) },
		"records are to be written": func(n *Number) {
			n.Chunk(epoch, ordered(0, 1, 1))
			d, _ := n.Next(epoch)
			n.Left(epoch, d, 0, 0, nil)
			n.Tick(epoch.Add(30 * 24 * time.Hour))
			n.Tick(epoch.Add(60 * 24 * time.Hour))
			n.TakeSync()
		},
	} {
		n := NewNumber(&cfg, testIdentity)
		if do(n); n.Idle() {
			t.Errorf("%s, and the number is idle", name)
		}
	}
}

func TestTheNewestSyncIsToldAgainWhereNothingChanged(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	if n.Retell() {
		t.Error("a number without syncs tells one again")
	}
	n.Chunk(epoch, ordered(0, 1, 1))
	if n.Retell() {
		t.Error("a sync that was not told is told again")
	}
	first, _ := n.TakeSync()
	if _, ok := n.TakeSync(); ok {
		t.Error("the sync is told twice")
	}
	if !n.Retell() {
		t.Error("the sync is not told again")
	}
	if again, ok := n.TakeSync(); !ok || again.Window != first.Window || again.ChunksHeld != first.ChunksHeld {
		t.Errorf("told again: %+v, first %+v", again, first)
	}
}

func TestChunksWithoutAnOrderAreHeldInTheirPhase(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for i := range 3 {
		c := ordered(2, 0, int64(i))
		c.HasOrder, c.Digest.Lo = false, uint64(i)<<8
		n.Chunk(epoch, c)
	}
	if s, _ := n.TakeSync(); len(s.Phases) != 1 || s.Phases[0].Held != 3 || s.ChunksHeld != 3 {
		t.Errorf("%+v", s)
	}
}

func TestASyncIsOpenedByTheFirstChunkSinceTheAccountEvent(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for i, at := range []time.Duration{0, 2 * time.Hour, time.Hour, 90 * time.Minute} {
		c := ordered(0, int32(i+1), int64(i))
		c.ReceivedAt = epoch.Add(at)
		n.Boundary(epoch, Boundary{ReceivedAt: epoch.Add(time.Hour)})
		n.Chunk(epoch, c)
	}
	if at, _ := n.Opened(); !at.Equal(epoch.Add(time.Hour)) || n.last().number != 2 {
		t.Errorf("window %d opened at %v", n.last().number, at)
	}
}

func TestTheWindowOfATimeIsTheOneOfAChunkThatWasReceivedThen(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	after := func(d time.Duration) time.Time { return epoch.Add(d) }
	if got := n.WindowAt(epoch); got != 0 {
		t.Errorf("window %d of a number without syncs", got)
	}
	for i, at := range []time.Duration{10 * time.Second, 2 * time.Hour, 4 * time.Hour} {
		c := ordered(0, 1, int64(i))
		c.ReceivedAt = after(at)
		n.Chunk(c.ReceivedAt, c)
		n.Boundary(c.ReceivedAt, Boundary{ReceivedAt: after(at + time.Hour)})
	}
	for at, want := range map[time.Duration]int32{
		0: 0, 10*time.Second - time.Millisecond: 0, 10 * time.Second: 1, time.Hour: 1, time.Hour + 10*time.Second - time.Millisecond: 1,
		time.Hour + 10*time.Second: 2, 2 * time.Hour: 2, 3*time.Hour - time.Millisecond: 2, 3 * time.Hour: 3, 4 * time.Hour: 3, 100 * time.Hour: 3,
	} {
		if got := n.WindowAt(after(at)); got != want {
			t.Errorf("after %v: window %d, want %d", at, got, want)
		}
	}
}

func TestWaitsFindsAChunkAmongTheChunksOfAllPhases(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	offset := int64(0)
	for _, phase := range []int32{7, 0, 255, 2, 1} {
		for order := int32(2); order < 200; order += 2 {
			offset++
			n.Chunk(epoch, ordered(phase, order, offset))
		}
	}
	offset = 0
	for _, phase := range []int32{7, 0, 255, 2, 1} {
		for order := int32(2); order < 200; order += 2 {
			offset++
			ref := Ref{Topic: schemas.TopicRawBulk, Offset: offset}
			if !n.Waits(ref, phase, order) || n.Waits(ref, phase, order+1) || n.Waits(ref, phase+1, order) || n.Waits(Ref{Topic: schemas.TopicRawBulk, Offset: offset + 1}, phase, order) {
				t.Fatalf("chunk %d/%d", phase, order)
			}
		}
	}
}
