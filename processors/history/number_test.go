package history

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

func ordered(phase, order int32, offset int64) Chunk {
	return Chunk{
		Ref:   Ref{Topic: schemas.TopicRawBulk, Offset: offset},
		Phase: phase, Order: order, HasPhase: true, HasOrder: true,
		Digest: schemas.HashBytes(fmt.Appendf(nil, "%d/%d", phase, order)), ReceivedAt: epoch,
	}
}

func TestConfigNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"processor.history.phase_hold: 0s is not allowed; allowed: 1ms or more":                              func(c *Config) { c.PhaseHold = 0 },
		"processor.history.gap_timeout: 1m0s is not allowed; allowed: at least processor.history.phase_hold": func(c *Config) { c.GapTimeout = time.Minute },
		"processor.history.quiet_time: 1m0s is not allowed; allowed: at least processor.history.gap_timeout": func(c *Config) { c.QuietTime = time.Minute },
		"processor.history.ceiling: 1h0m0s is not allowed; allowed: at least processor.history.quiet_time":   func(c *Config) { c.Ceiling = time.Hour },
		"processor.history.chunk_memory: -1s is not allowed; allowed: 1ms or more":                           func(c *Config) { c.ChunkMemory = -time.Second },
		"processor.history.held_chunks_max: 0 is not allowed; allowed: 1 or more":                            func(c *Config) { c.HeldChunksMax = 0 },
	} {
		c := DefaultConfig()
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

// docs/ARCHITECTURE.md: held chunks cost memory by the reference.
func TestAHeldChunkCostsAtMost64Bytes(t *testing.T) {
	cfg := DefaultConfig()
	const chunks = 20_000
	n := NewNumber(&cfg, testIdentity)
	rng := rand.New(rand.NewPCG(1, 1))
	for i, k := range rng.Perm(chunks) {
		n.Chunk(epoch, ordered(0, int32(k+2), int64(i)))
		n.TakeState(func(string, []byte) {})
	}
	identities := n.last().identities.Bytes()
	if per := float64(n.MemoryBytes()-identities) / chunks; per > 64 {
		t.Errorf("a held chunk costs %.1f bytes", per)
	}
	if per := float64(identities) / chunks; per > 16 {
		t.Errorf("the identity of a chunk costs %.1f bytes", per)
	}
	// While they leave, what they cost is given back.
	n.Chunk(epoch, ordered(0, 1, chunks))
	for left := 0; ; left++ {
		d, ok := n.Next(epoch)
		if !ok {
			break
		}
		n.Left(epoch, d, 0, 0, nil)
		if limit := identities + 2048 + 64*n.Held() + 64*n.Held()/8; n.MemoryBytes() > limit {
			t.Fatalf("%d held chunks cost %d bytes", n.Held(), n.MemoryBytes()-identities)
		}
	}
	if n.Held() != 0 {
		t.Errorf("%d are still held", n.Held())
	}
}

// docs/ARCHITECTURE.md: an open window costs at most 16 bytes for each message, and gives them back when it closes.
func TestAnOpenWindowCostsAtMost16BytesAMessageAndGivesThemBack(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	const chunks, each = 100, 3000
	records := make(map[string]int)
	take := func() {
		n.TakeState(func(key string, value []byte) {
			if value == nil {
				delete(records, key)
			} else {
				records[key] = len(value)
			}
		})
	}
	for i := range int32(chunks) {
		n.Chunk(epoch, ordered(0, i+1, int64(i)))
		d, _ := n.Next(epoch)
		var page []byte
		for m := range each {
			h := schemas.HashBytes(fmt.Appendf(nil, "%d %d", i, m))
			d.Known.Raise(h, schemas.RankConcrete)
			page = dedup.AppendEntry(page, h, schemas.RankConcrete)
		}
		n.Left(epoch, d, each, 0, page)
		take()
	}
	if per := float64(n.MemoryBytes()) / (chunks * each); per > 16 {
		t.Errorf("%.1f bytes a message", per)
	}
	total := 0
	for _, size := range records {
		total += size
	}
	if per := float64(total) / (chunks * each); per > 16 {
		t.Errorf("%.1f bytes of state a message", per)
	}
	n.Tick(epoch.Add(cfg.QuietTime))
	n.Tick(epoch.Add(cfg.QuietTime + cfg.GapTimeout))
	take()
	if n.MemoryBytes() > 8<<10 {
		t.Errorf("released it costs %d bytes", n.MemoryBytes())
	}
	if len(records) != chunks+2 {
		t.Errorf("%d records are left, want one a chunk, the window and the number", len(records))
	}
}

// The records of a chunk do not grow with the content of its window.
func TestAChunkWritesThreeRecords(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for i := range int32(500) {
		n.Chunk(epoch, ordered(0, i+1, int64(i)))
		d, _ := n.Next(epoch)
		n.Left(epoch, d, 1, 0, dedup.AppendEntry(nil, schemas.Hash{Hi: uint64(i)}, 0))
		records, size := 0, 0
		n.TakeState(func(key string, value []byte) {
			records++
			size += len(key) + len(value)
		})
		if i > 0 && (records != 3 || size > 512) {
			t.Fatalf("chunk %d: %d records of %d bytes", i, records, size)
		}
	}
}

func TestBeyondHeldChunksMaxTheFirstWaitEnds(t *testing.T) {
	cfg := DefaultConfig()
	cfg.HeldChunksMax = 3
	n := NewNumber(&cfg, testIdentity)
	for i, order := range []int32{3, 4, 8} {
		n.Chunk(epoch, ordered(1, order, int64(i)))
	}
	if d, ok := n.Next(epoch); ok {
		t.Fatalf("left too early: %s", describe(d))
	}
	n.Chunk(epoch, ordered(1, 9, 9))
	var left []int32
	for {
		d, ok := n.Next(epoch)
		if !ok {
			break
		}
		left = append(left, *d.Position.ChunkOrder)
		n.Left(epoch, d, 0, 0, nil)
	}
	if !slices.Equal(left, []int32{3, 4}) {
		t.Errorf("left %v, want what is before the next hole", left)
	}
	s, _ := n.TakeSync()
	if got := describeSync(s); !strings.Contains(got, "gap=1-2/given-up") {
		t.Errorf("the gap is not told: %s", got)
	}
}

func TestNextGivesTheSameAnswerUntilItIsAnswered(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	n.Chunk(epoch, ordered(0, 1, 1))
	first, _ := n.Next(epoch)
	n.Chunk(epoch, ordered(0, 0, 2))
	n.Chunk(epoch, Chunk{Ref: Ref{Offset: 3}, ReceivedAt: epoch})
	n.Tick(epoch.Add(7 * time.Hour))
	if again, ok := n.Next(epoch); !ok || again.Ref != first.Ref || again.Late {
		t.Fatalf("it was %s, now it is %s", describe(first), describe(again))
	}
	n.Left(epoch, first, 0, 0, nil)
	var rest []string
	for {
		d, ok := n.Next(epoch)
		if !ok {
			break
		}
		rest = append(rest, describe(d))
		n.Left(epoch, d, 0, 0, nil)
	}
	if want := []string{"window=1", "window=1 phase=0 order=0 late"}; !slices.Equal(rest, want) {
		t.Errorf("then %q, want %q", rest, want)
	}
}

func TestAnAnswerThatWasNotAskedForPanics(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	n.Chunk(epoch, ordered(0, 1, 1))
	defer func() {
		if recover() == nil {
			t.Error("Left without Next is not noticed")
		}
	}()
	n.Left(epoch, Departure{Ref: Ref{Offset: 1}, Window: 1}, 0, 0, nil)
}

func TestBoundariesAndWindowsAreBounded(t *testing.T) {
	o := newOwner(t, DefaultConfig())
	for i := range 10 * pendingMax {
		at := epoch.Add(time.Duration(i) * time.Minute)
		o.n.Boundary(epoch, Boundary{Time: at, ReceivedAt: at})
	}
	if len(o.n.pending) != pendingMax {
		t.Errorf("%d boundaries are pending", len(o.n.pending))
	}
	for i := range 10 * windowsMax {
		c := ordered(0, 1, int64(i))
		c.ReceivedAt = epoch.Add(time.Duration(i) * time.Hour)
		o.n.Boundary(epoch, Boundary{Time: c.ReceivedAt, ReceivedAt: c.ReceivedAt})
		o.chunk(c, nil)
		o.leave()
		o.commit()
	}
	if len(o.n.windows) != windowsMax {
		t.Errorf("%d windows are remembered", len(o.n.windows))
	}
	if len(o.state) > 1+2*windowsMax {
		t.Errorf("%d records are kept", len(o.state))
	}
	if got := o.n.last().number; got < 10*windowsMax-pendingMax {
		t.Errorf("the last window is number %d", got)
	}
	o.restart(rand.New(rand.NewPCG(1, 1)))
}

func TestGapsThatAreNotListedAreCounted(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for i := range int32(100) {
		n.Chunk(epoch, ordered(0, 2*i+2, int64(i)))
	}
	s, _ := n.TakeSync()
	if p := s.Phases[0]; len(p.Gaps) != gapsToldMax || p.GapsOmitted != 100-gapsToldMax {
		t.Errorf("%d gaps are listed, %d omitted", len(p.Gaps), p.GapsOmitted)
	}
}

// TestHolesAreWhatIsMissing looks at each order by itself.
func TestHolesAreWhatIsMissing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		var p phase
		at := map[int64]millis{}
		var highest int64
		for seq := range rng.IntN(30) {
			h := held{order: 1 + rng.Int32N(40), at: millis(rng.IntN(1000)), seq: uint32(seq)}
			p.held.insert(h)
			order := int64(h.order)
			highest = max(highest, order)
			if was, ok := at[order]; !ok || h.at < was {
				at[order] = h.at
			}
		}
		next := 1 + rng.Int64N(45)
		var want []gap
		for order := next; order <= highest; order++ {
			if _, ok := at[order]; ok {
				continue
			}
			since := never
			for o, a := range at {
				if o > order {
					since = min(since, a)
				}
			}
			if n := len(want); n > 0 && want[n-1].To == order-1 {
				want[n-1].To = order
				continue
			}
			want = append(want, gap{From: order, To: order, Since: since})
		}
		first := make([]gap, rng.IntN(12))
		n := p.holes(next, first)
		if told := min(n, len(first)); n != len(want) || !slices.Equal(first[:told], want[:told]) {
			t.Fatalf("from %d among %v: %d holes that begin with %v, want %v", next, p.held.blocks, n, first, want)
		}
	}
}

// The number continues without records that the log of the state lost, for any records, and reports them once.
func TestRestoreGoesOnWithoutWhatIsMissing(t *testing.T) {
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		o := newOwner(t, DefaultConfig())
		older := make(map[string][]byte) // values that newer ones replaced: they are there again where the newer ones are lost
		for i := range int32(30) {
			at := epoch.Add(time.Duration(i) * time.Minute)
			before := maps.Clone(o.state)
			if i == 15 {
				o.n.Boundary(at, Boundary{Time: at, ReceivedAt: at})
			}
			c := ordered(rng.Int32N(2), 1+rng.Int32N(12), int64(i))
			c.ReceivedAt = at
			o.chunk(c, []message{{fmt.Sprint(i), 1}})
			o.leave()
			o.commit()
			for k, v := range before {
				if !bytes.Equal(o.state[k], v) {
					older[k] = v
				}
			}
		}
		left, lost := make(map[string][]byte), 0
		for k, v := range o.state {
			switch old, ok := older[k]; {
			case rng.IntN(4) > 0:
				left[k] = v
			case ok && rng.IntN(2) == 0:
				left[k] = old
				lost++
			default:
				lost++
			}
		}
		restore := func() *Number {
			n := NewNumber(&o.cfg, testIdentity)
			for k, v := range left {
				if err := n.Restore(k, v); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Restored(epoch); err != nil {
				t.Fatal(err)
			}
			return n
		}
		n := restore()
		if lost == 0 && n.Incomplete() > 0 {
			t.Fatalf("%d records are said to be missing, and none is", n.Incomplete())
		}
		write := func(n *Number) {
			n.TakeState(func(k string, v []byte) {
				if v == nil {
					delete(left, k)
				} else {
					left[k] = v
				}
			})
		}
		write(n)
		if again := restore(); again.Incomplete() > 0 {
			t.Fatalf("%d records are said to be missing once more", again.Incomplete())
		}
		// It continues to work: held chunks leave, and the sync ends.
		n = restore()
		at := epoch.Add(time.Hour)
		for i := range int32(12) {
			c := ordered(0, i+1, 1000+int64(i))
			c.ReceivedAt = at
			n.Chunk(at, c)
		}
		n.Tick(at.Add(8 * 24 * time.Hour))
		for {
			d, ok := n.Next(at)
			if !ok {
				break
			}
			n.Left(at, d, 1, 0, nil)
		}
		n.Tick(at.Add(9 * 24 * time.Hour))
		if _, running := n.Running(); running || n.Held() > 0 {
			t.Fatalf("running %v, %d chunks held", running, n.Held())
		}
		write(n)
		restore()
	})
}

func TestRestoreRefusesWhatIsDamaged(t *testing.T) {
	o := newOwner(t, DefaultConfig())
	o.chunk(ordered(0, 1, 1), []message{{"a", 1}})
	o.chunk(ordered(0, 3, 2), nil)
	o.leave()
	o.commit()
	restore := func(state map[string][]byte) error {
		n := NewNumber(&o.cfg, testIdentity)
		for k, v := range state {
			if err := n.Restore(k, v); err != nil {
				return err
			}
		}
		return n.Restored(epoch)
	}
	if err := restore(o.state); err != nil {
		t.Fatal(err)
	}
	if len(o.state) != 5 {
		t.Fatalf("%d records", len(o.state))
	}
	for key, value := range o.state {
		without := make(map[string][]byte)
		for k, v := range o.state {
			if k != key {
				without[k] = v
			}
		}
		for cut := 1; cut < len(value); cut++ {
			without[key] = value[:cut]
			if err := restore(without); err == nil {
				t.Errorf("%s is cut at %d, and nobody says so", key, cut)
			}
		}
		without[key] = append([]byte{9}, value[1:]...)
		if err := restore(without); err == nil {
			t.Errorf("%s has another version, and nobody says so", key)
		}
	}
	for _, key := range []string{"", "x/1", "w/0", "w/x", "w/1/1", "c/1", "c/1/x", "k/1/-1", "c//1", "x/1/1"} {
		if err := restore(map[string][]byte{key: {1}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", key)) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	for key := range o.state {
		if err := NewNumber(&o.cfg, testIdentity).Restore(key, nil); err != nil {
			t.Errorf("tombstone of %s: %v", key, err)
		}
	}
}

// TestGapsAreASet compares gaps to a plain set of orders.
func TestGapsAreASet(t *testing.T) {
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		var gs gaps
		set := make(map[int64]bool)
		for range 50 {
			if from := rng.Int64N(60); rng.IntN(3) == 0 {
				g := gap{From: from, To: from + rng.Int64N(5)}
				free := true
				for o := g.From; o <= g.To; o++ {
					free = free && !set[o]
				}
				if !free {
					continue
				}
				gs.add(g)
				for o := g.From; o <= g.To; o++ {
					set[o] = true
				}
			} else if was := set[from]; gs.fill(from) != was {
				t.Errorf("fill(%d) of %v: was in: %v", from, gs, was)
			} else {
				delete(set, from)
			}
			for o := range int64(70) {
				if _, in := gs.search(o); in != set[o] {
					t.Errorf("%d in %v: %v, want %v", o, gs, in, set[o])
				}
			}
		}
	})
}

// BenchmarkChunkInAndOut measures a chunk that arrives out of order and leaves, with its state.
func BenchmarkChunkInAndOut(b *testing.B) {
	cfg := DefaultConfig()
	rng := rand.New(rand.NewPCG(1, 1))
	const chunks = 1000
	perm := rng.Perm(chunks)
	b.ReportAllocs()
	for b.Loop() {
		n := NewNumber(&cfg, testIdentity)
		for i, k := range perm {
			n.Chunk(epoch, ordered(0, int32(k+1), int64(i)))
			for {
				d, ok := n.Next(epoch)
				if !ok {
					break
				}
				n.Left(epoch, d, 0, 0, nil)
			}
			n.TakeState(func(string, []byte) {})
			n.TakeSync()
			n.Deadline()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chunks), "ns/chunk")
}

// A chunk that stood in a body of another business is passed on, and taken in after chunks that were received later: a replay,
// which has it in its place, says the same of the sync.
func TestSyncIsOpenedWithTheChunkThatWasReceivedFirst(t *testing.T) {
	early, late := ordered(0, 1, 1), ordered(0, 2, 2)
	late.ReceivedAt = epoch.Add(time.Second)
	again := early
	again.Digest, again.Failed, again.Errors = schemas.HashBytes([]byte("failed")), true, []Error{{Code: 1}}
	for name, chunks := range map[string][]Chunk{
		"in order": {early, late}, "overtaken": {late, early}, "overtaken by an error": {late, again},
	} {
		cfg := DefaultConfig()
		n := NewNumber(&cfg, testIdentity)
		for _, c := range chunks {
			n.Chunk(epoch, c)
		}
		if at, _ := n.Opened(); !at.Equal(epoch) {
			t.Errorf("%s: opened at %s, want %s", name, since(at), since(epoch))
		}
	}
	// Chunks received before the window's own boundary do not belong to it.
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	n.Chunk(epoch, early)
	n.Boundary(epoch, Boundary{ReceivedAt: epoch.Add(time.Minute)})
	late.ReceivedAt = epoch.Add(time.Hour)
	n.Chunk(epoch, late)
	before := ordered(0, 3, 3)
	before.ReceivedAt = epoch.Add(time.Second)
	n.Chunk(epoch, before)
	if at, _ := n.Opened(); !at.Equal(late.ReceivedAt) {
		t.Errorf("the second sync opened at %s", since(at))
	}
}

func TestWaitsTellsWhichChunksAreHeld(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, Identity{WABAID: "1", PhoneNumberID: "2"})
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	chunkOf := func(offset int64, element int, order int32) Chunk {
		return Chunk{Ref: Ref{Topic: schemas.TopicRawBulk, Offset: offset, Element: uint16(element)}, Order: order, HasPhase: true, HasOrder: true,
			Digest: schemas.Hash{Hi: uint64(offset), Lo: uint64(element)}, ReceivedAt: received}
	}
	held := map[Ref]int32{}
	for offset := range int64(5) {
		for element := range 200 { // each order has chunks of all bodies, and two of each
			c := chunkOf(offset, element, int32(2+element*7%100))
			held[c.Ref] = c.Order
			n.Chunk(received, c)
		}
	}
	n.Chunk(received, chunkOf(9, 0, 1))
	for left := 0; ; left++ {
		for ref, order := range held {
			if !n.Waits(ref, 0, order) {
				t.Fatalf("%v of order %d does not wait after %d left", ref, order, left)
			}
			if n.Waits(ref, 0, order+1) || n.Waits(ref, 1, order) {
				t.Fatalf("%v waits elsewhere", ref)
			}
			break
		}
		d, ok := n.Next(received)
		if !ok {
			break
		}
		n.Left(received, d, 1, 0, nil)
		if order, ok := held[d.Ref]; ok && n.Waits(d.Ref, 0, order) {
			t.Fatalf("%v waits after it left", d.Ref)
		}
		delete(held, d.Ref)
	}
	if len(held) > 0 {
		t.Errorf("%d chunks did not leave", len(held))
	}
}
