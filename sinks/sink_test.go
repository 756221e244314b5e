package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

func TestARefusedRecordIsFoundAndSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(1, 400, 0)
		var bad []int64 // what the target refuses, by offset in messages
		for _, r := range w.Log(schemas.TopicMessages, 0)[10:14] {
			bad = append(bad, r.Offset)
		}
		target := newMemory()
		target.fail = func(b *sinks.Batch) error {
			for _, a := range b.Advances {
				for _, offset := range bad {
					if a.Topic == schemas.TopicMessages && max(a.From, 0) <= offset && offset < a.To.Next && len(b.Letters) == 0 {
						return fmt.Errorf("a text it cannot take: %w", sinks.ErrRefused)
					}
				}
			}
			return nil
		}
		r := start(t, sinktest.NewLog(w), target, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("caught up %v, ready %v", r.sink.CaughtUp(), r.sink.Ready())
		}
		r.stop()
		if len(target.letters) != len(bad) {
			t.Fatalf("%d letters, want %d", len(target.letters), len(bad))
		}
		for i, l := range target.letters {
			if l.Topic != schemas.TopicMessages || l.Place.Offset != bad[i] || !strings.Contains(l.Reason, "cannot take") || len(l.Value) == 0 || len(l.Headers) == 0 {
				t.Errorf("letter %+v", l)
			}
		}
		if n := r.metric(t, "coexstream_sink_letters_total"); int(n) != len(bad) {
			t.Errorf("letters counted: %v", n)
		}
	})
}

// A target that is too slow for a batch gets smaller ones, and larger ones again when it can take them.
func TestABatchThatTakesTooLongIsHalved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(1, 3000, 0)
		target := newMemory()
		most, largest, refusals := 40, 0, 0
		size := func(b *sinks.Batch) (n int) {
			for _, a := range b.Advances {
				n += int(a.To.Next - max(a.From, 0))
			}
			return n
		}
		target.fail = func(b *sinks.Batch) error {
			largest = max(largest, size(b))
			if size(b) > most {
				refusals++
				return fmt.Errorf("statement timeout: %w", sinks.ErrSlow)
			}
			if target.steps == 60 { // it recovers
				most, largest = 1<<20, 0
			}
			return nil
		}
		r := start(t, sinktest.NewLog(w), target, nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("caught up %v, ready %v, %d steps, %d too large", r.sink.CaughtUp(), r.sink.Ready(), target.steps, refusals)
		}
		r.stop()
		if refusals == 0 || refusals > 30 || largest < 80 || len(target.letters) > 0 {
			t.Errorf("%d batches were too large, the largest after the recovery had %d records, %d letters", refusals, largest, len(target.letters))
		}
	})
}

func TestATargetThatIsAwayLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(2, 400, 0)
		target := newMemory()
		away := errors.New("connection refused")
		var attempts []time.Time
		target.fail = func(*sinks.Batch) error {
			if away != nil {
				attempts = append(attempts, time.Now())
			}
			return away
		}
		r := start(t, sinktest.NewLog(w), target, nil)
		time.Sleep(10 * time.Minute)
		if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("ready: %v", err)
		}
		if n := len(attempts); n < 20 || n > 100 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		for i := range attempts[1:] {
			if d := attempts[i+1].Sub(attempts[i]); d > 45*time.Second {
				t.Errorf("attempts %s apart", d)
			}
		}
		if records, behind := r.sink.Lag("live"); records == 0 || behind < 9*time.Minute {
			t.Errorf("lag %d records, %s", records, behind)
		}
		target.mu.Lock()
		away = nil
		target.mu.Unlock()
		time.Sleep(time.Minute)
		if !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("caught up %v, ready %v", r.sink.CaughtUp(), r.sink.Ready())
		}
		if records, behind := r.sink.Lag("live"); records != 0 || behind != 0 {
			t.Errorf("lag %d records, %s", records, behind)
		}
		r.stop()
		if target.positions[schemas.TopicMessages].Next != int64(2*len(w.Log(schemas.TopicMessages, 0))) {
			t.Errorf("positions %v", target.positions)
		}
	})
}

func TestLiveComesBeforeBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(3, 2000, 0)
		target := newMemory()
		r := start(t, sinktest.NewLog(w), target, func(c *sinks.Config) { c.RecordsMax, c.Considerate = 50, true })
		time.Sleep(time.Minute)
		r.stop()
		order := strings.Join(target.order, " ")
		if strings.Contains(order, "backlog live") || !strings.Contains(order, "live backlog") {
			t.Errorf("order %s", order)
		}
	})
}

func TestWhatIsGoneUnreadBlocksItsPartition(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name string
		do   func(*sinktest.Log)
		away time.Duration
		want string
	}{
		{"retention", func(l *sinktest.Log) { l.Show(1000); l.Retain(schemas.TopicMessages, 250) }, 0, "retention removed the records before 250"},
		{"a topic made again", func(l *sinktest.Log) { l.Recreate(schemas.TopicEchoes) }, 0, "made again"},
		{"a log that was cut", func(l *sinktest.Log) { l.Cut(schemas.TopicHistory, 2) }, 0, "it was cut"},
		{"tombstones", func(l *sinktest.Log) { l.Show(1000) }, 9 * day, "tombstones are kept for 192h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := sinktest.NewLog(sinktest.NewWorld(4, 1000, 0))
				log.Show(300)
				target := newMemory()
				c := func(c *sinks.Config) { c.SyncTombstones = 20 * day }
				r := start(t, log, target, c)
				time.Sleep(time.Minute)
				if !r.sink.CaughtUp() {
					t.Fatalf("did not catch up: %v", r.sink.Ready())
				}
				r.stop()
				before := maps.Clone(target.positions)

				tt.do(log)
				time.Sleep(tt.away)
				r = start(t, log, target, c)
				time.Sleep(time.Minute)
				var blocked *sinks.BlockedError
				if err := r.sink.Ready(); !errors.As(err, &blocked) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "sink rebuild") {
					t.Errorf("ready: %v, want %q and the way back", err, tt.want)
				}
				if n := r.metric(t, "coexstream_sink_blocked_partitions"); n != 1 || r.sink.CaughtUp() && tt.name != "a topic made again" && tt.name != "a log that was cut" {
					t.Errorf("%v blocked partitions, caught up %v", n, r.sink.CaughtUp())
				}
				r.stop()
				for topic, p := range target.positions {
					if schemas.TopicMessages == topic && tt.name == "retention" && p.Next != before[topic].Next {
						t.Errorf("%s went on from %d to %d", topic, before[topic].Next, p.Next)
					}
				}
			})
		})
	}
}

func TestAnIdleSinkIsNotTakenForOneThatWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := sinktest.NewLog(sinktest.NewWorld(5, 1000, 0))
		log.Show(300)
		target := newMemory()
		r := start(t, log, target, func(c *sinks.Config) { c.Poll = time.Minute })
		time.Sleep(20 * 24 * time.Hour) // nothing comes
		r.stop()
		time.Sleep(time.Hour)
		log.Show(1000)
		r = start(t, log, target, nil)
		time.Sleep(time.Minute)
		if !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("caught up %v, ready %v", r.sink.CaughtUp(), r.sink.Ready())
		}
		r.stop()
	})
}

func TestBrokersThatDoNotAnswerAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := sinktest.NewLog(sinktest.NewWorld(6, 300, 0))
		log.Fail(errors.New("no route"))
		r := start(t, log, newMemory(), nil)
		time.Sleep(5 * time.Minute)
		if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "no route") || r.sink.CaughtUp() {
			t.Errorf("ready: %v, caught up %v", err, r.sink.CaughtUp())
		}
		log.Fail(nil)
		time.Sleep(time.Minute)
		if !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("caught up %v, ready %v", r.sink.CaughtUp(), r.sink.Ready())
		}
		log.Fail(errors.New("no route"))
		time.Sleep(time.Minute)
		if r.sink.Ready() == nil {
			t.Error("ready, though the brokers do not answer")
		}
		r.stop()
	})
}

func TestEveryEventIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(7, 1000, 0)
		target := newMemory()
		n := 0
		target.fail = func(*sinks.Batch) error { // some answers are lost
			if n++; n%7 == 0 {
				return errors.New("timeout")
			}
			return nil
		}
		r := start(t, sinktest.NewLog(w), target, func(c *sinks.Config) { c.RecordsMax = 3 })
		time.Sleep(10 * time.Minute)
		if !r.sink.CaughtUp() {
			t.Errorf("did not catch up: %v", r.sink.Ready())
		}
		r.stop()
		for id, times := range target.seen {
			if times != 1 && id != "" {
				t.Errorf("%s was given %d times", id, times)
			}
		}
	})
}

// A rebuild changes the positions of the target. It is noticed while nothing comes, and releases partitions that are blocked.
func TestARebuildIsNoticedWhileNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := sinktest.NewLog(sinktest.NewWorld(8, 500, 0))
		target := newMemory()
		r := start(t, log, target, nil)
		time.Sleep(time.Minute)
		if !r.sink.CaughtUp() {
			t.Fatalf("did not catch up: %v", r.sink.Ready())
		}
		steps := target.taken()
		reset := func() {
			target.mu.Lock()
			defer target.mu.Unlock()
			clear(target.positions)
		}
		reset()
		time.Sleep(time.Minute)
		if target.taken() <= steps || !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("%d steps after %d, caught up %v, ready %v", target.taken(), steps, r.sink.CaughtUp(), r.sink.Ready())
		}
		r.stop()

		target.mu.Lock()
		p := target.positions[schemas.TopicMessages]
		p.Next = 2
		target.positions[schemas.TopicMessages] = p
		target.mu.Unlock()
		log.Retain(schemas.TopicMessages, 10)
		r = start(t, log, target, nil)
		time.Sleep(time.Hour)
		if len(r.sink.Blocked()) != 1 {
			t.Errorf("blocked %v, want the partition whose records are gone", r.sink.Blocked())
		}
		reset()
		time.Sleep(time.Minute)
		if len(r.sink.Blocked()) != 0 || !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("blocked %v, caught up %v, ready %v", r.sink.Blocked(), r.sink.CaughtUp(), r.sink.Ready())
		}
		r.stop()
	})
}

// A rebuild that ends right after a partition was blocked is noticed, too, and one that leads to the offset at which it was blocked.
func TestARebuildIsNoticedAtAnyTimeAfterTheBlock(t *testing.T) {
	for name, rebuild := range map[string]func(map[schemas.Topic]sinks.Position){
		"from the beginning": func(all map[schemas.Topic]sinks.Position) { clear(all) },
		"to the same offset": func(all map[schemas.Topic]sinks.Position) {
			for topic, p := range all {
				p.At = time.Now()
				all[topic] = p
			}
		},
	} {
		for _, after := range []time.Duration{0, time.Second, 7 * time.Second} {
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log := sinktest.NewLog(sinktest.NewWorld(8, 500, 0))
					target := newMemory()
					r := start(t, log, target, nil)
					time.Sleep(time.Minute)
					r.stop()
					time.Sleep(30 * 24 * time.Hour) // tombstones are gone
					target.mu.Lock()
					p := target.positions[schemas.TopicContacts]
					p.Next -= 2
					target.positions[schemas.TopicContacts] = p
					target.mu.Unlock()
					r = start(t, log, target, nil)
					for len(r.sink.Blocked()) == 0 {
						time.Sleep(time.Millisecond)
					}
					time.Sleep(after)
					target.mu.Lock()
					rebuild(target.positions)
					target.mu.Unlock()
					time.Sleep(time.Minute)
					if len(r.sink.Blocked()) != 0 || !r.sink.CaughtUp() || r.sink.Ready() != nil {
						t.Errorf("blocked %v, caught up %v, ready %v", r.sink.Blocked(), r.sink.CaughtUp(), r.sink.Ready())
					}
					r.stop()
				})
			})
		}
	}
}

// A position that goes back is noticed while events of other topics come.
func TestARebuildIsNoticedWhileOtherTopicsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := sinktest.NewLog(sinktest.NewWorld(8, 500, 0))
		log.Show(500)
		target := newMemory()
		r := start(t, log, target, nil)
		time.Sleep(time.Minute)
		target.mu.Lock()
		p := target.positions[schemas.TopicHistory]
		want := p.Next
		log.Cut(schemas.TopicHistory, want) // it does not move
		p.Next = want / 2
		target.positions[schemas.TopicHistory] = p
		target.mu.Unlock()
		for i := range 60 {
			log.Show(500 + 5*i)
			time.Sleep(time.Second)
		}
		target.mu.Lock()
		got := target.positions[schemas.TopicHistory].Next
		target.mu.Unlock()
		if got != want {
			t.Errorf("history is at %d, want %d", got, want)
		}
		r.stop()
	})
}

// A sink without a place in its group is not ready, and its lag grows.
func TestASinkOutsideItsGroupIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := sinktest.NewLog(sinktest.NewWorld(8, 500, 0))
		s := shares{make(chan []int32), make(chan []int32), make(chan error)}
		r := startShared(t, log, newMemory(), s)
		s.own <- []int32{0}
		time.Sleep(time.Minute)
		if err := r.sink.Ready(); err != nil || !r.sink.CaughtUp() {
			t.Fatalf("ready %v, caught up %v", err, r.sink.CaughtUp())
		}
		lost := errors.New("the group is gone")
		s.disown <- []int32{0}
		s.trouble <- lost
		time.Sleep(time.Minute)
		if _, behind := r.sink.Lag("live"); !errors.Is(r.sink.Ready(), lost) || behind < 50*time.Second || r.sink.CaughtUp() {
			t.Errorf("ready %v, behind %s, caught up %v", r.sink.Ready(), behind, r.sink.CaughtUp())
		}
		s.own <- []int32{0}
		time.Sleep(time.Minute)
		if _, behind := r.sink.Lag("live"); r.sink.Ready() != nil || behind != 0 {
			t.Errorf("ready %v, behind %s", r.sink.Ready(), behind)
		}
		r.stop()
	})
}

// shares gives a sink some partitions, and takes them away again.
type shares struct {
	own, disown chan []int32
	trouble     chan error
}

func (s shares) Run(ctx context.Context, own, disown func([]int32), trouble func(error)) error {
	for {
		select {
		case p := <-s.own:
			own(p)
		case p := <-s.disown:
			disown(p)
		case err := <-s.trouble:
			trouble(err)
		case <-ctx.Done():
			return nil
		}
	}
}

// Partitions that move between processes are read by their present owner only.
func TestPartitionsAreReadWhileTheyAreOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(9, 900, 0)
		log := sinktest.NewLog(w)
		log.Show(500)
		target := newMemory()
		share := shares{make(chan []int32), make(chan []int32), nil}
		sink, err := sinks.New(named("test"), sinks.Deps{Log: log, Target: target, Assignment: share, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- sink.Run(ctx) }()
		time.Sleep(time.Minute)
		if _, behind := sink.Lag("live"); target.taken() > 0 || sink.Ready() == nil || behind < time.Minute {
			t.Errorf("%d steps without a partition, ready %v, behind %s", target.taken(), sink.Ready(), behind)
		}
		share.own <- []int32{}
		time.Sleep(time.Second)
		if _, behind := sink.Lag("live"); sink.Ready() != nil || behind != 0 {
			t.Errorf("ready %v, behind %s: others have all partitions", sink.Ready(), behind)
		}
		share.own <- []int32{0}
		time.Sleep(time.Second)
		half := target.events()
		if half == 0 || !sink.CaughtUp() {
			t.Errorf("%d events, caught up %v", half, sink.CaughtUp())
		}
		share.disown <- []int32{0}
		log.Show(1000)
		time.Sleep(time.Minute)
		if records, _ := sink.Lag("live"); target.events() != half || records != 0 {
			t.Errorf("%d events after %d, lag %d: the partition is another's", target.events(), half, records)
		}
		share.own <- []int32{0}
		time.Sleep(time.Second)
		if target.events() <= half || !sink.CaughtUp() {
			t.Errorf("%d events after %d, caught up %v", target.events(), half, sink.CaughtUp())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
