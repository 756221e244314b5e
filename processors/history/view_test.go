package history

import (
	"math"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

// seen is what is told of a number at a time.
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

func TestMessagesThatAreRelearnedAreKnownAndWritten(t *testing.T) {
	const messages = 2*relearnPageEntries + 10
	o := newOwner(t, DefaultConfig())
	o.chunk(ordered(0, 1, 1), nil)
	o.leave()
	o.commit()
	hash := func(i int) schemas.Hash { return schemas.HashBytes([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) }
	for i := range messages {
		o.n.Relearn(1, hash(i), schemas.RankPlaceholder)
		o.n.Relearn(2, hash(i), schemas.RankPlaceholder) // a window that is not remembered
	}
	for i := range 5 {
		o.n.Relearn(1, hash(i), schemas.RankConcrete) // at a higher rank, and again
		o.n.Relearn(1, hash(i), schemas.RankConcrete)
		o.n.Relearn(1, hash(i), schemas.RankPlaceholder)
	}
	o.n.Relearned()
	o.n.Relearned()
	pages, entries := 0, 0
	o.n.TakeState(func(key string, value []byte) {
		if o.state[key] = value; key[0] != 'k' {
			return
		}
		n := (len(value) - 1) / dedup.EntryBytes
		if pages, entries = pages+1, entries+n; n > relearnPageEntries {
			t.Errorf("a page of %d messages", n)
		}
	})
	if pages != 3 || entries != messages+5 {
		t.Errorf("%d pages of %d messages, want 3 of %d", pages, entries, messages+5)
	}
	n := NewNumber(&o.cfg, testIdentity)
	for key, value := range o.state {
		if err := n.Restore(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Restored(epoch); err != nil || n.Incomplete() != 0 {
		t.Fatalf("%d records are missing, err %v", n.Incomplete(), err)
	}
	for i := range messages {
		want := schemas.RankPlaceholder
		if i < 5 {
			want = schemas.RankConcrete
		}
		if rank, ok := n.last().known.Lookup(hash(i)); !ok || rank != want {
			t.Fatalf("message %d: rank %d, %v", i, rank, ok)
		}
	}
}

// Each record that is missing is counted, once.
func TestWhatIsMissingOfTheStateIsCounted(t *testing.T) {
	o := newOwner(t, DefaultConfig())
	for i := range int32(4) {
		o.chunk(ordered(0, i+1, int64(i)), []message{{string('a' + i), 1}})
		o.leave()
	}
	o.commit()
	if len(o.state) != 10 { // of the number, the window, four chunks and four pages
		t.Fatalf("%d records", len(o.state))
	}
	for _, test := range []struct {
		missing []string
		want    int
	}{
		{nil, 0}, {[]string{"c/1/2"}, 1}, {[]string{"k/1/0"}, 1}, {[]string{"c/1/0", "c/1/3", "k/1/1", "k/1/3"}, 4}, {[]string{"n"}, 1},
		{[]string{"w/1"}, 8}, {[]string{"w/1", "c/1/1"}, 7}, {[]string{"n", "w/1"}, 8},
	} {
		state := make(map[string][]byte)
		for k, v := range o.state {
			state[k] = v
		}
		for _, k := range test.missing {
			delete(state, k)
		}
		for round, want := range []int{test.want, 0} {
			n := NewNumber(&o.cfg, testIdentity)
			for k, v := range state {
				if err := n.Restore(k, v); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Restored(epoch); err != nil {
				t.Fatal(err)
			}
			if n.Incomplete() != want {
				t.Errorf("without %q, round %d: %d records are missing, want %d", test.missing, round, n.Incomplete(), want)
			}
			n.TakeState(func(key string, value []byte) {
				if state[key] = value; value == nil {
					delete(state, key)
				}
			})
		}
	}
}

// written is the state of a number.
func written(n *Number) map[string][]byte {
	state := make(map[string][]byte)
	n.TakeState(func(key string, value []byte) { state[key] = value })
	return state
}

func restoredFrom(t *testing.T, state map[string][]byte) *Number {
	t.Helper()
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for k, v := range state {
		if err := n.Restore(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Restored(epoch); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWindowsAreCountedOnWhereTheNewestCountIsMissing(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	chunk := func(n *Number, offset int64, at time.Duration) {
		c := ordered(0, 1, offset)
		c.ReceivedAt = epoch.Add(at)
		n.Boundary(epoch, Boundary{ReceivedAt: c.ReceivedAt})
		n.Chunk(epoch, c)
	}
	chunk(n, 1, time.Hour)
	old := written(n)[numberKey]
	chunk(n, 2, 2*time.Hour)
	state := written(n)
	for name, test := range map[string]struct {
		count []byte
		want  int
	}{"the newest": {state[numberKey], 0}, "an older one": {old, 1}} {
		state := map[string][]byte{numberKey: test.count, "w/2": state["w/2"], "c/2/0": state["c/2/0"]}
		again := restoredFrom(t, state)
		if again.Incomplete() != test.want {
			t.Errorf("%s: %d records are missing, want %d", name, again.Incomplete(), test.want)
		}
		if chunk(again, 3, 3*time.Hour); again.last().number != 3 {
			t.Errorf("%s: the next window is %d", name, again.last().number)
		}
	}
}

func TestAChunkOfWhichAPartHasLeftIsGoneOnWith(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	c := ordered(0, 1, 1)
	c.Messages = 5
	n.Chunk(epoch, c)
	n.Next(epoch)
	if r := n.record(); r.Leaving != nil {
		t.Errorf("nothing of it has left, and the state says %+v", *r.Leaving)
	}
	d, _ := n.Next(epoch)
	n.Partly(epoch, d, 3, 3, 0, nil)
	state := written(n)
	if d, ok := restoredFrom(t, state).Next(epoch); !ok || d.From != 3 {
		t.Errorf("it goes on at %d, %v", d.From, ok)
	}
	// Where its record is missing there is nothing to go on with. That counts, too.
	delete(state, "c/1/0")
	again := restoredFrom(t, state)
	if _, ok := again.Next(epoch); ok || again.Incomplete() != 2 {
		t.Errorf("%d records are missing, want 2; something leaves: %v", again.Incomplete(), ok)
	}
}

func TestRecordsOfAnotherVersionAreRefused(t *testing.T) {
	cfg := DefaultConfig()
	for key, value := range map[string]string{
		numberKey: `{"v":2,"windows":1}`, "w/1": `{"v":2}`, "c/1/0": "\x02\x02" + "0123456789", "k/1/0": "\x02" + "0123456789",
	} {
		if err := NewNumber(&cfg, testIdentity).Restore(key, []byte(value)); err == nil {
			t.Errorf("%s was read", key)
		}
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

func TestNumbersOfAChunkRecordAreInTheirBounds(t *testing.T) {
	h := hold(&Chunk{Phase: 1, HasPhase: true, Order: 2, HasOrder: true, Progress: -3, HasProgress: true, Messages: 4, ReceivedAt: epoch})
	for name, test := range map[string]struct {
		change func(h *held)
		fine   bool
	}{
		"as it is":            {func(*held) {}, true},
		"the highest phase":   {func(h *held) { h.phase = PhaseMax }, true},
		"a higher one":        {func(h *held) { h.phase = PhaseMax + 1 }, false},
		"a negative phase":    {func(h *held) { h.phase = -1 }, false},
		"the highest order":   {func(h *held) { h.order = math.MaxInt32 }, true},
		"a negative order":    {func(h *held) { h.order = -1 }, false},
		"a negative progress": {func(h *held) { h.progress = math.MinInt32 }, true},
		"many messages":       {func(h *held) { h.messages = math.MaxInt32 }, true},
		"less than none":      {func(h *held) { h.messages = -1 }, false},
	} {
		one := h
		test.change(&one)
		kind, got, err := parseChunkRecord(chunkRecord(recordHeld, &one))
		if (err == nil) != test.fine || err == nil && (kind != recordHeld || got != one) {
			t.Errorf("%s: read %+v, err %v; want %+v", name, got, err, one)
		}
	}
}

// Records of older versions do not say which of the failures that they omit came whole since.
func TestOmittedErrorsOfOlderRecordsAreFailuresForEver(t *testing.T) {
	for _, test := range []struct {
		record string
		want   int64
	}{
		{`{"v":1,"errors_omitted":3}`, 3}, {`{"v":1}`, 0}, {`{"v":1,"errors_omitted":3,"unheard":{"f":1}}`, 1}, {`{"v":1,"errors_omitted":3,"unheard":{}}`, 0},
	} {
		n := restoredFrom(t, map[string][]byte{numberKey: []byte(`{"v":1,"windows":1}`), "w/1": []byte(test.record)})
		if got := n.last().unheard.Forgot; got != test.want {
			t.Errorf("%s: %d are never heard of, want %d", test.record, got, test.want)
		}
	}
}

// The parts of a chunk that leave in one transaction have one page, as a chunk that leaves at once. Chunks do not share any.
func TestPartsOfAChunkHaveOnePageInATransaction(t *testing.T) {
	entry := func(i int) []byte {
		return dedup.AppendEntry(nil, schemas.HashBytes([]byte{byte(i)}), schemas.RankConcrete)
	}
	for name, test := range map[string]struct {
		parts  [][]int // of two chunks with four messages: where the parts end
		commit bool    // after each part
		want   []int   // messages of the pages
	}{
		"at once":               {[][]int{{}, {}}, false, []int{4, 4}},
		"in parts":              {[][]int{{1, 2, 3}, {2}}, false, []int{4, 4}},
		"the first one at once": {[][]int{{}, {1, 2}}, false, []int{4, 4}},
		"in transactions":       {[][]int{{1, 3}, {}}, true, []int{1, 2, 1, 4}},
	} {
		cfg := DefaultConfig()
		n := NewNumber(&cfg, testIdentity)
		state := map[string][]byte{}
		write := func() { n.TakeState(func(key string, value []byte) { state[key] = value }) }
		for i, ends := range test.parts {
			c := ordered(0, int32(i+1), int64(i))
			c.Messages = 4
			n.Chunk(epoch, c)
			from := 0
			page := func(to int) (page []byte) {
				for ; from < to; from++ {
					page = append(page, entry(10*i+from)...)
				}
				return page
			}
			for _, end := range ends {
				d, _ := n.Next(epoch)
				n.Partly(epoch, d, end, end-from, 0, page(end))
				if test.commit {
					write()
				}
			}
			d, _ := n.Next(epoch)
			n.Left(epoch, d, 4-from, 0, page(4))
			if test.commit {
				write()
			}
		}
		write()
		for i, want := range test.want {
			if got := (len(state[pageKey(1, uint32(i))]) - 1) / dedup.EntryBytes; got != want {
				t.Errorf("%s: page %d has %d messages, want %d", name, i, got, want)
			}
		}
		if state[pageKey(1, uint32(len(test.want)))] != nil {
			t.Errorf("%s: more than %d pages", name, len(test.want))
		}
		if again := restoredFrom(t, state); again.Incomplete() != 0 || again.last().known.Len() != 8 {
			t.Errorf("%s: %d messages are known, %d records are missing", name, again.last().known.Len(), again.Incomplete())
		}
	}
}
