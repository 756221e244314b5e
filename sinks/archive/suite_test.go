package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	sink "github.com/coexstream/coexstream/sinks/archive"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// logged are the topics of the suite's worlds that have a log. Snapshots of the others have tests of their own.
func logged() []schemas.Topic {
	return slices.DeleteFunc(sinks.Topics(), schemas.Topic.Compacted)
}

// kept is an archive as the suite sees it: a target that stands behind the last record of each log.
type kept struct {
	sinks.Target
	bucket archive.Bucket
	id     archive.LogID
	// slack is how many offsets behind the last record are ends of transactions, which need no object.
	slack int64
}

func (k *kept) Close() error { return nil }

func (k *kept) Positions(ctx context.Context, partition int32) (map[schemas.Topic]sinks.Position, error) {
	all := map[schemas.Topic]sinks.Position{}
	for _, topic := range sinks.TableTopics() {
		if !slices.Contains(logged(), topic) {
			all[topic] = sinks.Position{Next: math.MaxInt64}
			continue
		}
		h, err := k.last(ctx, topic, partition)
		if err != nil {
			return nil, err
		}
		if h != nil {
			all[topic] = sinks.Position{Next: h.Next + k.slack}
		}
	}
	return all, nil
}

// last is the last object of a partition, in the chain of any log.
func (k *kept) last(ctx context.Context, topic schemas.Topic, partition int32) (*archive.Header, error) {
	a := &archive.Archive{Bucket: k.bucket, Prefix: "coex."}
	if k.id != (archive.LogID{}) {
		h, _, err := a.Tail(ctx, archive.Chain{Topic: topic, Partition: partition, Log: k.id})
		return h, err
	}
	all, err := a.All(ctx, []schemas.Topic{topic})
	for _, objects := range all {
		if last := objects[len(objects)-1]; last.Chain.Partition == partition {
			return a.Header(ctx, last)
		}
	}
	return nil, err
}

// judge holds that the union of the objects is the log.
func judge(bucket archive.Bucket) func(testing.TB, *sinktest.World) {
	return func(t testing.TB, w *sinktest.World) {
		got := map[place][]*kgo.Record{}
		for c, records := range chains(t, bucket, logged()...) {
			at := place{c.Topic, c.Partition}
			if len(got[at]) > 0 {
				t.Errorf("%s/%d has two chains", c.Topic, c.Partition)
			}
			got[at] = records
		}
		for _, topic := range logged() {
			for _, p := range w.Partitions() {
				want := w.Log(topic, p)
				if have := got[place{topic, p}]; !slices.EqualFunc(have, want, func(a, b *kgo.Record) bool { return print(a) == print(b) }) {
					t.Errorf("%s/%d: %d records, want %d", topic, p, len(have), len(want))
				}
			}
		}
	}
}

// held is a bucket that takes nothing while it is held.
type held struct {
	archive.Bucket
	mu sync.RWMutex
}

func (h *held) Create(ctx context.Context, name string, content []byte) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.Bucket.Create(ctx, name, content)
}

func (h *held) hold(testing.TB) func() {
	h.mu.Lock()
	return h.mu.Unlock
}

// mixed archives at once, some topics as Parquet.
func mixed(objectBytesMax int64) sink.Config {
	c := eager(logged()...)
	c.ObjectBytesMax, c.Parquet = objectBytesMax, []schemas.Topic{schemas.TopicMessages, schemas.TopicHistory}
	return c
}

// TestSuite is the part of the suite of all sinks that holds for records: poison and repeats among them are records like others.
func TestSuite(t *testing.T) {
	t.Parallel()
	sinktest.Records(t, func(*testing.T) sinktest.Subject {
		bucket := &held{Bucket: newMemory()}
		return sinktest.Subject{
			Open:  func(testing.TB) sinktest.Target { return &kept{bucket: bucket, id: archive.LogID{1}, slack: 1} },
			Judge: judge(bucket),
			Hold:  bucket.hold,
			Sink: func(rng *rand.Rand, log sinks.Log, _ sinktest.Target) (sinktest.Runner, error) {
				return made(mixed(1+rng.Int64N(20_000)), log, bucket, nil)
			},
		}
	})
}

func made(c sink.Config, log sinks.Log, bucket archive.Bucket, a sinks.Assignment) (*sink.Sink, error) {
	return sink.New(c, sink.Deps{Log: log, Bucket: bucket, Assignment: a, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
}

// ordered is the bucket of a process that the suite started.
type ordered struct {
	archive.Bucket
	o *sinktest.Order
}

func (b ordered) Create(ctx context.Context, name string, content []byte) error {
	o, ok := archive.ParseName("coex.", name)
	if !ok {
		return b.Bucket.Create(ctx, name, content)
	}
	err := b.o.Write(ctx, o.Chain.Partition, func(ctx context.Context) error {
		err := b.Bucket.Create(ctx, name, content)
		if errors.Is(err, archive.ErrExists) {
			return fmt.Errorf("%w: %w", sinks.ErrFenced, err)
		}
		return err
	})
	return err
}

// child runs the archive in a process of its own.
func child(ctx context.Context, o *sinktest.Order) error {
	folder, err := archive.NewFolder(o.Target)
	if err != nil {
		return err
	}
	bucket, c := ordered{folder, o}, mixed(3000)
	if len(o.Brokers) == 0 {
		return o.Fill(ctx, func(log *sinktest.Log) (sinktest.Runner, error) { return made(c, log, bucket, nil) })
	}
	log, err := o.Log(c.Topics)
	if err != nil {
		return err
	}
	defer log.Close()
	group, err := o.Assignment()
	if err != nil {
		return err
	}
	s, err := made(c, log, bucket, group)
	if err != nil {
		return err
	}
	o.Begun()
	return s.Run(ctx)
}

func placed(t *testing.T, id archive.LogID, slack int64) sinktest.Place {
	t.Helper()
	root := t.TempDir()
	bucket, err := archive.NewFolder(root)
	if err != nil {
		t.Fatal(err)
	}
	return sinktest.Place{
		Target: root, Shared: true,
		Subject: sinktest.Subject{Open: func(testing.TB) sinktest.Target { return &kept{bucket: bucket, id: id, slack: slack} }, Judge: judge(bucket)},
	}
}

func TestKills(t *testing.T) {
	t.Parallel()
	sinktest.Kills(t, func(t *testing.T) sinktest.Place { return placed(t, archive.LogID{1}, 1) })
}

func TestProcesses(t *testing.T) {
	sinktest.Long(t)
	sinktest.Processes(t, func(t *testing.T) sinktest.Place { return placed(t, archive.LogID{}, 0) })
}

// Records that retention removed before they were archived are counted in the object at their place, and the rest is archived.
func TestRetentionThatPassesTheArchiveIsCounted(t *testing.T) {
	t.Parallel()
	bucket, w := newMemory(), sinktest.NewWorld(7, 1200, 0, 1)
	log := sinktest.NewLog(w)
	log.Show(400)
	run := func() {
		s, err := made(mixed(3000), log, bucket, nil)
		if err != nil {
			t.Fatal(err)
		}
		stop := started(t, s)
		until(t, "all is archived", s.CaughtUp)
		stop()
	}
	run()
	const gone = 700
	log.Show(1000)
	log.Retain(schemas.TopicMessages, gone)
	run()
	a := &archive.Archive{Bucket: bucket, Prefix: "coex."}
	all, err := a.All(t.Context(), []schemas.Topic{schemas.TopicMessages})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d chains, err %v", len(all), err)
	}
	got := chains(t, bucket, schemas.TopicMessages)
	for _, objects := range all {
		checked, err := a.Check(t.Context(), objects, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(checked.Faults) != 1 || checked.Faults[0].Kind != archive.Lost || !strings.Contains(checked.Faults[0].Detail, "retention removed") {
			t.Errorf("%+v", checked.Faults)
		}
		records := got[checked.Chain]
		behind := slices.DeleteFunc(w.Log(schemas.TopicMessages, checked.Chain.Partition), func(r *kgo.Record) bool { return r.Offset < gone })
		if n := len(records) - len(behind); n < 0 || !slices.EqualFunc(records[n:], behind, func(a, b *kgo.Record) bool { return print(a) == print(b) }) {
			t.Errorf("%s: %d records, want the %d from %d on among them", checked.Chain, len(records), len(behind), gone)
		}
	}
}

func TestMain(m *testing.M) {
	if sinktest.ChildWith(child) {
		return
	}
	clouds()
	os.Exit(m.Run())
}
