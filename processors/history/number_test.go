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
