package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	sink "github.com/coexstream/coexstream/sinks/archive"
)

func config(topics ...schemas.Topic) sink.Config {
	c := sink.DefaultConfig()
	c.Prefix, c.Topics = "coex.", topics
	return c
}

// eager archives records at once.
func eager(topics ...schemas.Topic) sink.Config {
	c := config(topics...)
	c.ObjectBytesMax, c.Rotation, c.Poll, c.RetryMin, c.RetryMax, c.FetchBytes = 2000, time.Millisecond, time.Millisecond, time.Millisecond, 2*time.Millisecond, 1000
	return c
}

func newSink(t testing.TB, c sink.Config, log sinks.Log, bucket archive.Bucket) *sink.Sink {
	t.Helper()
	s, err := sink.New(c, sink.Deps{Log: log, Bucket: bucket, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// started runs a sink until stop.
func started(t testing.TB, s *sink.Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// chains reads all objects, and holds that no object is missing and none overlaps another one.
func chains(t testing.TB, bucket archive.Bucket, topics ...schemas.Topic) map[archive.Chain][]*kgo.Record {
	t.Helper()
	a := &archive.Archive{Bucket: bucket, Prefix: "coex."}
	all, err := a.All(t.Context(), topics)
	if err != nil {
		t.Fatal(err)
	}
	records := map[archive.Chain][]*kgo.Record{}
	for _, objects := range all {
		next := int64(-1)
		for _, o := range objects {
			if next >= 0 && o.First != next {
				t.Errorf("%s: an object begins with %d behind one that ended before %d", o.Chain, o.First, next)
			}
			h, err := a.Read(t.Context(), o, func(r *kgo.Record) error {
				records[o.Chain] = append(records[o.Chain], r)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			next = h.Next
		}
	}
	return records
}

func objectAt(log *fakeLog, at place, first int64) archive.Object {
	return archive.Object{Chain: archive.Chain{Topic: at.topic, Partition: at.partition, Log: log.ids[at.topic]}, First: first, Encoding: archive.JSONL}
}

func print(r *kgo.Record) string {
	return fmt.Sprintf("%s/%d@%d %d %q %q %q", r.Topic, r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, r.Headers)
}

// holds compares the union of the objects with the log.
func (l *fakeLog) holds(t testing.TB, bucket archive.Bucket) {
	t.Helper()
	got := map[place][]*kgo.Record{}
	for c, records := range chains(t, bucket, l.topics...) {
		got[place{c.Topic, c.Partition}] = append(got[place{c.Topic, c.Partition}], records...)
	}
	for at, want := range l.records {
		if !slices.EqualFunc(got[at], want, func(a, b *kgo.Record) bool { return print(a) == print(b) }) {
			t.Errorf("%s/%d: %d records, want %d", at.topic, at.partition, len(got[at]), len(want))
		}
	}
}

func TestTheUnionOfTheObjectsIsTheLog(t *testing.T) {
	t.Parallel()
	for name, bucket := range buckets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 1))
			log := newLog(3, schemas.TopicRawLive, schemas.TopicMessages)
			log.fill(rng, 400, time.Now())
			c := eager(log.topics...)
			c.Parquet = []schemas.Topic{schemas.TopicMessages}
			s := newSink(t, c, log, bucket)
			stop := started(t, s)
			until(t, "all is archived", s.CaughtUp)
			log.fill(rng, 300, time.Now())
			until(t, "the rest is archived", func() bool { return s.CaughtUp() && archived(t, bucket, log) })
			stop()
			log.holds(t, bucket)
		})
	}
}

// archived reports whether every chain has come to the last record of its log.
func archived(t testing.TB, bucket archive.Bucket, log *fakeLog) bool {
	t.Helper()
	a := &archive.Archive{Bucket: bucket, Prefix: "coex."}
	log.mu.Lock()
	defer log.mu.Unlock()
	for at, records := range log.records {
		h, _, err := a.Tail(t.Context(), archive.Chain{Topic: at.topic, Partition: at.partition, Log: log.ids[at.topic]})
		if err != nil {
			t.Fatal(err)
		}
		if h == nil || h.Next <= records[len(records)-1].Offset {
			return false
		}
	}
	return true
}

// Two writers, each killed again and again at any call of the bucket, whether the call had its effect or not. The encoding is switched on the
// way, by each at another time.
func TestTwoWritersThatAreKilledArchiveEachRecordOnce(t *testing.T) {
	t.Parallel()
	for name, bucket := range buckets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := seed.Rand(t)
			log := newLog(2, schemas.TopicRawLive, schemas.TopicMessages)
			log.fill(rng, 600, time.Now())
			var wg sync.WaitGroup
			for w := range uint64(2) {
				rng := rand.New(rand.NewPCG(rng.Uint64(), w))
				wg.Go(func() {
					for range 25 {
						c := eager(log.topics...)
						if rng.IntN(2) == 0 {
							c.Parquet = log.topics
						}
						// A process that meets no fault, because the other one wrote all, ends as well.
						ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
						f := &faulty{Bucket: bucket, rng: rng, every: 12, die: func() {
							log.fill(rng, 20, time.Now())
							cancel()
						}}
						if err := newSink(t, c, log, f).Run(ctx); err != nil {
							t.Error(err)
						}
						cancel()
					}
				})
			}
			wg.Wait()
			s := newSink(t, eager(log.topics...), log, bucket)
			stop := started(t, s)
			until(t, "all is archived", func() bool { return s.CaughtUp() && archived(t, bucket, log) })
			stop()
			log.holds(t, bucket)
		})
	}
}

// A bucket that fails now and then loses nothing, and the sink says that it is not ready meanwhile.
func TestABucketThatIsAwayLosesNothing(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	log := newLog(2, schemas.TopicRawLive)
	log.fill(rng, 200, time.Now())
	bucket := newMemory()
	f := &faulty{Bucket: bucket, rng: rng, every: 1}
	s := newSink(t, eager(log.topics...), log, f)
	stop := started(t, s)
	until(t, "the sink is not ready", func() bool { return errors.Is(s.Ready(), errFault) })
	f.mu.Lock()
	f.every = 3
	f.mu.Unlock()
	until(t, "all is archived", func() bool { return archived(t, bucket, log) })
	f.mu.Lock()
	f.every = 0
	f.mu.Unlock()
	until(t, "the sink is ready", func() bool { return s.Ready() == nil })
	stop()
	log.holds(t, bucket)
}

// The clock alone closes objects: on a topic without new records the oldest one is never older than the rotation and five seconds.
func TestARecordOnAQuietTopicWaitsForTheRotationAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bucket := newLog(12, schemas.TopicRawLive, schemas.TopicRawBulk, schemas.TopicMessages, schemas.TopicHistory), newMemory()
		c := config(log.topics...)
		s := newSink(t, c, log, bucket)
		stop := started(t, s)
		rng := rand.New(rand.NewPCG(1, 1))
		written := map[place]time.Time{}
		for range 600 { // every 6 s for an hour
			time.Sleep(6 * time.Second)
			synctest.Wait()
			done := chains(t, bucket, log.topics...)
			for at, since := range written {
				records := done[archive.Chain{Topic: at.topic, Partition: at.partition, Log: log.ids[at.topic]}]
				if len(records) == len(log.records[at]) {
					delete(written, at)
				} else if age := time.Since(since); age > c.Rotation+5*time.Second {
					t.Fatalf("a record of %v waits for %s", at, age)
				}
			}
			at := place{log.topics[rng.IntN(4)], int32(rng.IntN(12))}
			if _, waits := written[at]; !waits && rng.IntN(10) == 0 {
				log.add(at, kgo.Record{Timestamp: time.Now(), Value: []byte("x")}, 1)
				written[at] = time.Now()
			}
		}
		time.Sleep(c.Rotation)
		synctest.Wait()
		log.holds(t, bucket)
		objects := len(bucket.names())
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n := len(bucket.names()); n != objects {
			t.Errorf("%d objects were written of nothing", n-objects)
		}
		stop()
	})
}

// Records that waited while nobody archived are archived at once, and not after another rotation.
func TestARestartDoesNotBeginTheRotationAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
		log.add(place{schemas.TopicRawLive, 0}, kgo.Record{Timestamp: time.Now(), Value: []byte("x")}, 0)
		for range 6 { // restarts after two minutes
			stop := started(t, newSink(t, config(log.topics...), log, bucket))
			time.Sleep(2 * time.Minute)
			stop()
		}
		log.holds(t, bucket)
	})
}

func TestObjectsAreNotLongerThanTheyMayBe(t *testing.T) {
	t.Parallel()
	log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		value := make([]byte, 1000)
		for i := range value {
			value[i] = byte(rng.UintN(256))
		}
		log.add(place{schemas.TopicRawLive, 0}, kgo.Record{Timestamp: time.Now(), Value: value}, 0)
	}
	c := eager(log.topics...)
	c.ObjectBytesMax, c.FetchBytes, c.Rotation = 50_000, 1<<20, time.Hour // only the size closes objects
	s := newSink(t, c, log, bucket)
	stop := started(t, s)
	until(t, "full objects are archived", func() bool { return len(bucket.names()) >= 4 })
	stop()
	for name, content := range bucket.objects {
		// The encoder holds back a block of 128 KiB.
		if strings.HasSuffix(name, ".zst") && (len(content) > 50_000+200_000 || len(content) < 40_000) {
			t.Errorf("%s has %d bytes", name, len(content))
		}
	}
}

func TestLogsThatAreNotWhatTheyWere(t *testing.T) {
	t.Parallel()
	at := place{schemas.TopicRawLive, 0}
	begin := func(t *testing.T, log *fakeLog, bucket archive.Bucket) {
		log.fill(rand.New(rand.NewPCG(1, 1)), 50, time.Now())
		s := newSink(t, eager(log.topics...), log, bucket)
		stop := started(t, s)
		until(t, "all is archived", func() bool { return archived(t, bucket, log) })
		stop()
	}
	t.Run("retention removed what was not archived", func(t *testing.T) {
		t.Parallel()
		log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
		begin(t, log, bucket)
		before := len(log.records[at])
		next := log.ends[at]
		log.fill(rand.New(rand.NewPCG(2, 1)), 20, time.Now())
		kept := log.records[at][before+12:]
		log.starts[at], log.records[at] = kept[0].Offset, append(log.records[at][:before:before], kept...)
		s := newSink(t, eager(log.topics...), log, bucket)
		stop := started(t, s)
		until(t, "the rest is archived", func() bool { return archived(t, bucket, log) })
		stop()
		log.holds(t, bucket)
		h, err := (&archive.Archive{Bucket: bucket, Prefix: "coex."}).Header(t.Context(), objectAt(log, at, next))
		if err != nil || h.Lost != kept[0].Offset-next {
			t.Errorf("%+v, %v: want %d lost", h, err, kept[0].Offset-next)
		}
	})
	t.Run("a log that began before it was archived is no loss", func(t *testing.T) {
		t.Parallel()
		log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
		log.starts[at], log.ends[at] = 1000, 1000
		begin(t, log, bucket)
		log.holds(t, bucket)
		if h, err := (&archive.Archive{Bucket: bucket, Prefix: "coex."}).Header(t.Context(), objectAt(log, at, 1000)); err != nil || h.Lost != 0 {
			t.Errorf("%+v, %v", h, err)
		}
	})
	t.Run("a topic that was created again has another chain", func(t *testing.T) {
		t.Parallel()
		log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
		begin(t, log, bucket)
		first := log.records[at]
		log.ids[at.topic], log.records[at], log.ends[at] = [16]byte{2}, nil, 0
		begin(t, log, bucket)
		got := chains(t, bucket, at.topic)
		for id, want := range map[archive.LogID][]*kgo.Record{{1}: first, {2}: log.records[at]} {
			if records := got[archive.Chain{Topic: at.topic, Log: id}]; !slices.EqualFunc(records, want, func(a, b *kgo.Record) bool { return print(a) == print(b) }) {
				t.Errorf("log %s: %d records, want %d", id, len(records), len(want))
			}
		}
	})
	t.Run("a log that was cut blocks", func(t *testing.T) {
		t.Parallel()
		log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
		begin(t, log, bucket)
		log.ends[at] -= 10
		c := eager(log.topics...)
		c.CutPatience, c.BlockedRetry = 20*time.Millisecond, time.Millisecond
		s := newSink(t, c, log, bucket)
		stop := started(t, s)
		until(t, "it is blocked", func() bool { return errors.Is(s.Ready(), sink.ErrBlocked) })
		objects := len(bucket.names())
		log.mu.Lock()
		log.ends[at] += 10
		log.mu.Unlock()
		until(t, "it continues", func() bool { return s.Ready() == nil && s.CaughtUp() })
		stop()
		if n := len(bucket.names()); n != objects {
			t.Errorf("%d objects, want %d", n, objects)
		}
	})
	t.Run("a damaged object blocks", func(t *testing.T) {
		t.Parallel()
		log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
		begin(t, log, bucket)
		names := slices.DeleteFunc(bucket.names(), func(name string) bool { return !strings.HasSuffix(name, ".zst") })
		last := names[len(names)-1]
		bucket.objects[last][100] ^= 1
		s := newSink(t, eager(log.topics...), log, bucket)
		stop := started(t, s)
		until(t, "it is blocked", func() bool { return errors.Is(s.Ready(), sink.ErrBlocked) })
		stop()
	})
}

// A bucket that ignores If-None-Match is noticed before anything is written.
func TestABucketThatOverwritesIsRefused(t *testing.T) {
	t.Parallel()
	log, bucket := newLog(1, schemas.TopicRawLive), newMemory()
	bucket.overwrites = true
	log.fill(rand.New(rand.NewPCG(1, 1)), 10, time.Now())
	s := newSink(t, eager(log.topics...), log, bucket)
	stop := started(t, s)
	until(t, "the bucket is refused", func() bool { return errors.Is(s.Ready(), archive.ErrUnconditional) })
	stop()
	if len(chains(t, bucket, log.topics...)) > 0 {
		t.Error("objects were written")
	}
}

// A snapshot has the newest record of every key, and each period has one, also with several writers.
func TestCompactedTopicsHaveASnapshotOfEachPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bucket := newLog(2, schemas.TopicContacts), newMemory()
		c := config(log.topics...)
		c.ObjectBytesMax, c.FetchBytes = 3000, 500
		rng := rand.New(rand.NewPCG(1, 1))
		begin := time.Now().UTC().Truncate(24 * time.Hour)
		for day := range 4 {
			log.fill(rng, 200, time.Now())
			if day == 2 { // compaction leaves the newest of each key, and removes the log's begin
				for at, records := range log.records {
					newest := map[string]*kgo.Record{}
					for _, r := range records {
						newest[string(r.Key)] = r
					}
					log.records[at] = slices.DeleteFunc(records, func(r *kgo.Record) bool { return newest[string(r.Key)] != r })
					log.starts[at] = log.records[at][0].Offset
				}
			}
			one, other := started(t, newSink(t, c, log, bucket)), started(t, newSink(t, c, log, bucket))
			time.Sleep(time.Hour)
			synctest.Wait()
			one()
			other()
			date := begin.Add(time.Duration(day) * 24 * time.Hour).Format(archive.SnapshotDate)
			all := chains(t, bucket, schemas.TopicContacts)
			for _, p := range log.partitions {
				chain := archive.Chain{Topic: schemas.TopicContacts, Partition: p, Log: archive.LogID{1}, Snapshot: date}
				if got, want := all[chain], log.records[place{schemas.TopicContacts, p}]; !slices.EqualFunc(got, want, func(a, b *kgo.Record) bool { return print(a) == print(b) }) {
					t.Errorf("%s: %d records, want %d", chain, len(got), len(want))
				}
				if h, _, err := (&archive.Archive{Bucket: bucket, Prefix: "coex."}).Tail(t.Context(), chain); err != nil || h == nil || !h.Complete {
					t.Errorf("%s: %+v, %v: is not complete", chain, h, err)
				}
			}
			time.Sleep(time.Until(begin.Add(time.Duration(day+1)*24*time.Hour + time.Minute)))
		}
	})
}
