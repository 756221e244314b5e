package history

import (
	"math"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

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
	// Without its record, the chunk cannot continue. That counts, too.
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
