package partition_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// delivery is a webhook at a time.
type delivery struct {
	after time.Duration // since start
	body  string
}

// live processes deliveries as they come, with a tick every second up to the time given.
func (p *harness) live(ds []delivery, until time.Duration) {
	p.t.Helper()
	next := time.Duration(0)
	ticks := func(to time.Duration) {
		for ; next <= to; next += time.Second {
			p.core.Tick(start.Add(next))
			p.releaseAll()
		}
	}
	for _, d := range ds {
		ticks(d.after)
		p.clock = start.Add(d.after)
		p.core.Pass(p.clock)
		p.releaseAll()
		p.send(d.body)
		p.commit()
	}
	ticks(until)
	p.commit()
}

// replayed feeds a record of the log as a replay wrote it, and reports whether it was processed.
func (p *harness) replayed(id string, offset int, seen time.Time) bool {
	p.t.Helper()
	p.copied[offset] = &partition.Replay{ID: []byte(id), Seen: seen}
	o := p.origin(offset)
	p.core.Pass(o.ReceivedAt)
	p.releaseAll()
	if !p.core.Replayed(o) {
		return false
	}
	body, err := p.scanner.Scan(append([]byte{}, p.raw[offset].body...))
	if err != nil {
		p.t.Fatal(err)
	}
	p.core.Webhook(o, body)
	p.releaseAll()
	return true
}

func (p *harness) endOfReplay(id string, at, seen time.Time) {
	o := &partition.Origin{Topic: schemas.TopicRawBulk, ReceivedAt: at, Replay: &partition.Replay{ID: []byte(id), End: true, Seen: seen}}
	p.core.Pass(at)
	p.releaseAll()
	p.core.Replayed(o)
}

// told is what a consumer sees: the values of the messages in order, and the last state of the sync.
func (p *harness) told() []string {
	var all []string
	for _, topic := range []schemas.Topic{schemas.TopicHistory, schemas.TopicMedia} {
		for _, r := range p.topics[topic] {
			all = append(all, fmt.Sprintf("%s %s %s", r.headers[schemas.HeaderCEID], r.headers[schemas.HeaderCETime], r.value))
		}
	}
	if syncs := p.topics[schemas.TopicSyncs]; len(syncs) > 0 {
		last := syncs[len(syncs)-1]
		all = append(all, fmt.Sprintf("%s %s %s", last.headers[schemas.HeaderCEID], last.headers[schemas.HeaderCETime], last.value))
	}
	return all
}

// rounds is how often a random test is played.
func rounds(n uint64) uint64 {
	if testing.Short() {
		return n / 5
	}
	return n
}

// A log that is read later, in one go and by a partition whose clock is far ahead, gives what it gave when it was new:
// holes are given up, phases and syncs end, where they did.
func TestReplayGivesWhatTheFirstProcessingGave(t *testing.T) {
	seed := seed.Of(t)
	for round := range rounds(30) {
		rng := rand.New(rand.NewPCG(seed, round))
		var ds []delivery
		at, number := time.Duration(0), 0
		for window := range 2 {
			for _, phase := range []int{0, 1, 2} {
				var orders []int
				for order := 1; order <= 4; order++ {
					if rng.IntN(6) > 0 {
						orders = append(orders, order)
					}
				}
				rng.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
				for _, order := range orders {
					// Minutes apart, at times longer than a hole or a phase is waited for.
					at += time.Duration(rng.IntN(40*60_000)) * time.Millisecond
					number++
					ds = append(ds, delivery{at, chunk(phase, order, order*25, fmt.Sprintf("w%d-%d", window, number), "shared")})
				}
			}
			at += time.Duration(rng.IntN(8)) * time.Hour
		}
		a := newPartition(t)
		a.live(ds, at+9*time.Hour)

		b := newPartition(t)
		b.raw = a.raw
		now := start.Add(1000 * time.Hour)
		b.core.Tick(now)
		for i := range b.raw {
			if !b.replayed("r", i, now) {
				t.Fatalf("seed %d round %d: record %d was left out", seed, round, i)
			}
			if rng.IntN(3) == 0 {
				b.commit()
			}
			if rng.IntN(5) == 0 {
				b.commit()
				b.restart()
			}
		}
		b.endOfReplay("r", start.Add(at+9*time.Hour), now)
		b.commit()
		if got, want := b.told(), a.told(); !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("seed %d round %d: %d is\n%s\ninstead of\n%s", seed, round, i, got[i], want[i])
				}
			}
			t.Fatalf("seed %d round %d: %d events instead of %d", seed, round, len(got), len(want))
		}
	}
}

// README: every event of a replay has its id in a header. So have later syncs that result from it.
func TestSyncsOfAReplayNameIt(t *testing.T) {
	p := newPartition(t)
	p.raw = []rawRecord{{[]byte(chunk(0, 1, 50, "m1")), start}, {[]byte(chunk(0, 3, 100, "m3")), start.Add(time.Minute)}}
	now := start.Add(100 * time.Hour)
	p.clock = start
	named := func(want ...string) {
		t.Helper()
		var got []string
		for _, r := range p.topics[schemas.TopicSyncs] {
			got = append(got, r.headers[schemas.HeaderReplay])
		}
		if !slices.Equal(got, want) {
			t.Errorf("syncs name the replays %q, want %q", got, want)
		}
	}
	p.replayed("r", 0, now)
	p.commit()
	p.replayed("r", 1, now)
	p.commit()
	named("r", "r")
	p.endOfReplay("r", start.Add(2*time.Minute), now)
	p.commit()
	p.restart()
	p.tick(time.Hour) // the hole is given up
	named("r", "r", "r")
	p.webhook(chunk(0, 2, 70, "m2")) // live
	named("r", "r", "r", "")
}

func TestReplayHoldsTheClockUntilItsEnd(t *testing.T) {
	p := newPartition(t)
	p.raw = []rawRecord{{[]byte(chunk(0, 2, 100, "m2")), start}, {[]byte(chunk(0, 1, 50, "m1")), start.Add(time.Minute)}}
	now := start.Add(100 * time.Hour)
	if p.core.Replaying(now) {
		t.Error("a replay goes on before one began")
	}
	p.replayed("r", 0, now)
	p.commit()
	p.restart()
	if !p.core.Replaying(now.Add(59 * time.Minute)) {
		t.Error("a restart forgot the replay")
	}
	if p.core.Replaying(now.Add(time.Hour)) {
		t.Error("a replay that was silent for the timeout goes on")
	}
	if !p.replayed("r", 1, now) || p.replayed("r", 0, now) || p.replayed("r", 1, now) {
		t.Error("want the second record processed, and neither of them again")
	}
	p.commit()
	if got, want := wamids(events[schemas.Message](p, schemas.TopicHistory)), []string{"m1", "m2"}; !slices.Equal(got, want) {
		t.Errorf("history is %v, want %v", got, want)
	}
	for _, r := range p.topics[schemas.TopicHistory] {
		if r.headers[schemas.HeaderReplay] != "r" {
			t.Errorf("the event has the replay %q in its header", r.headers[schemas.HeaderReplay])
		}
	}
	p.endOfReplay("r", start.Add(time.Hour), now)
	p.commit()
	p.restart()
	if p.core.Replaying(now) {
		t.Error("the replay goes on after its end")
	}
}

func TestReplayThatIsSilentForTooLongIsGivenUp(t *testing.T) {
	p := newPartition(t)
	p.raw = []rawRecord{{[]byte(chunk(0, 2, 100, "m2")), start}}
	now := start.Add(100 * time.Hour)
	p.replayed("r", 0, now)
	p.commit()
	p.core.GiveUp(now.Add(time.Hour))
	p.commit()
	p.restart()
	if p.core.Replaying(now) {
		t.Error("the replay is still known after it was given up")
	}
}

// A copy for another business's partition tells only what belongs here, and no dead letter a second time.
func TestReplayedBodyOfSeveralBusinessesIsHandledByEachPartitionForItself(t *testing.T) {
	p := newPartition(t)
	p.cfg.Partitions = 2
	p.cfg.PartitionOf = func(b []byte) int32 {
		if string(b) == waba {
			return 0
		}
		return 1
	}
	p.restart()
	both := `{"object":"whatsapp_business_account","entry":[` +
		`{"id":"777","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"7"},"messages":[{"id":"x","from":"1","timestamp":"1","type":"text"}]}}]},` +
		`{"id":"` + waba + `","changes":[{"field":"messages","value":{` + tenant + `,"messages":[{"id":"y","from":"1","timestamp":"1","type":"text"}]}}]},` +
		`{"changes":[{"field":"messages","value":{"messages":[{"id":"z","from":"1","timestamp":"1","type":"text"}]}}]}]}`
	p.raw = []rawRecord{{[]byte(both), start}}
	o := p.origin(0)
	o.Replay = &partition.Replay{ID: []byte("r"), Extra: true, Seen: start}
	p.core.Replayed(o)
	body, err := p.scanner.Scan([]byte(both))
	if err != nil {
		t.Fatal(err)
	}
	p.core.Webhook(o, body)
	p.commit()
	if got := wamids(events[schemas.Message](p, schemas.TopicMessages)); !slices.Equal(got, []string{"y"}) {
		t.Errorf("messages are %v, want the one of this partition's business", got)
	}
	p.topics[schemas.TopicRerouted] = slices.DeleteFunc(p.topics[schemas.TopicRerouted], func(r record) bool { return r.value == nil }) // notes
	if n, m := len(p.topics[schemas.TopicRerouted]), len(p.topics[schemas.TopicDLQ]); n+m != 0 {
		t.Errorf("%d records rerouted, %d dead letters; want none from a copy", n, m)
	}
	if origin := p.topics[schemas.TopicMessages][0].headers[schemas.HeaderOrigin]; origin != "raw.bulk/0/0#1.0" {
		t.Errorf("origin is %s", origin)
	}
}

func TestReplayGivesTheSameIDs(t *testing.T) {
	ids := func() (all []string) {
		p := newPartition(t)
		for _, f := range fixtures.All() {
			p.webhook(string(f.Body))
		}
		for _, topic := range schemas.Topics() {
			for _, r := range p.topics[topic] {
				if topic != schemas.TopicState {
					all = append(all, topic.String()+" "+r.headers[schemas.HeaderCEID])
				}
			}
		}
		return all
	}
	if a, b := ids(), ids(); !slices.Equal(a, b) || len(a) < 100 {
		t.Errorf("two runs over the same raw log gave other ids (%d and %d of them)", len(a), len(b))
	}
}
