package processors

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// valuesOf returns the values of a metric, one for each set of labels.
func valuesOf(t *testing.T, reg *prometheus.Registry, name string) (values []float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			values = append(values, m.GetGauge().GetValue())
		}
	}
	return values
}

// The first record after a quiet night is not a night old.
func TestLagInSecondsIsNotOlderThanTheLastTimeNothingWaited(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, func() time.Time { return now })
	r := &runner{partition: 3, metrics: m}
	expect := func(what string, records, seconds float64) {
		t.Helper()
		if got := valuesOf(t, reg, "coexstream_processor_lag_records"); !slices.Equal(got, []float64{records}) {
			t.Errorf("%s: %v records, want %v", what, got, records)
		}
		if got := valuesOf(t, reg, "coexstream_processor_lag_seconds"); !slices.Equal(got, []float64{seconds}) {
			t.Errorf("%s: %v seconds, want %v", what, got, seconds)
		}
	}
	r.behind(schemas.TopicRawLive, 5, now)
	expect("nothing read yet", 5, 0)
	r.progress[schemas.TopicRawLive].receivedAt = now.Add(-time.Hour)
	r.behind(schemas.TopicRawLive, 4, now)
	expect("an hour behind", 4, 3600)
	r.behind(schemas.TopicRawLive, 0, now)
	expect("caught up", 0, 0)
	now = now.Add(7 * time.Second)
	r.behind(schemas.TopicRawLive, 1, now)
	expect("a record after that", 1, 7)
	r.progress[schemas.TopicRawLive].receivedAt = now.Add(time.Second) // another host's clock
	r.behind(schemas.TopicRawLive, 1, now)
	expect("a clock ahead", 1, 0)
}

func TestTheFormerOwnerOfAPartitionReportsNoLag(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, time.Now)
	for _, p := range []int32{1, 2} {
		(&runner{partition: p, metrics: m}).behind(schemas.TopicRawBulk, 9, time.Unix(1, 0))
	}
	m.lags.forget(func(p int32) bool { return p != 1 })
	if n := len(valuesOf(t, reg, "coexstream_processor_lag_records")); n != 1 {
		t.Errorf("%d partitions tell their lag, want 1", n)
	}
	m.lags.forget(func(int32) bool { return false })
	if n := len(valuesOf(t, reg, "coexstream_processor_lag_seconds")); n != 0 {
		t.Errorf("%d partitions tell their lag after the processor", n)
	}
}

// TestLagCountsRecordsBeingProcessed: a record that is read but not committed grows old in the metrics, even if the
// session is blocked.
func TestLagCountsRecordsBeingProcessed(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, func() time.Time { return now })
	r := &runner{partition: 3, metrics: m}
	m.lags.watch(r)
	const topic = schemas.TopicRawLive
	expect := func(what string, records, seconds float64) {
		t.Helper()
		r, s := valuesOf(t, reg, "coexstream_processor_lag_records"), valuesOf(t, reg, "coexstream_processor_lag_seconds")
		if slices.Max(r) != records || slices.Max(s) != seconds || len(s) != len(schemas.Inputs()) {
			t.Errorf("%s: %v records, %v seconds, want %v and %v", what, r, s, records, seconds)
		}
	}
	r.behind(topic, 0, now)
	expect("nothing waits", 0, 0)
	r.inProgress[topic].start(now.Add(-2 * time.Second))
	r.inProgress[topic].start(now.Add(-time.Second))
	expect("a body is worked on", 1, 2)
	now = now.Add(10 * time.Minute)
	expect("still", 1, 602)
	r.inProgress[topic].finish()
	r.inProgress[topic].start(now.Add(-5 * time.Second))
	expect("its transaction is being ended, and the next one is ahead", 1, 602)
	r.inProgress[topic].committed()
	expect("it is committed", 1, 5)
	r.behind(topic, 7, now)
	expect("others wait", 7, 10*60)

	// A new session continues with the known lag.
	again := &runner{partition: 3, metrics: m}
	m.lags.watch(again)
	now = now.Add(time.Minute)
	expect("between two sessions", 7, 11*60)
	again.behind(topic, 7, now)
	expect("the next session looks", 7, 11*60)
	again.behind(topic, 0, now)
	expect("nothing waits again", 0, 0)
}

// TestLagCountsDeferredRecords: the offset of a deferred record is committed, but the record counts until it is
// processed.
func TestLagCountsDeferredRecords(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, func() time.Time { return now })
	cfg := partition.DefaultConfig()
	cfg.Partitions, cfg.PartitionOf = 1, func([]byte) int32 { return 0 }
	part, err := partition.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{partition: 3, metrics: m, core: part}
	expect := func(what string, records, seconds float64) {
		t.Helper()
		n, s := valuesOf(t, reg, "coexstream_processor_lag_records"), valuesOf(t, reg, "coexstream_processor_lag_seconds")
		if !slices.Equal(n, []float64{records}) || !slices.Equal(s, []float64{seconds}) {
			t.Errorf("%s: %v records, %v seconds, want %v and %v", what, n, s, records, seconds)
		}
	}
	r.behind(schemas.TopicRawLive, 0, now)
	expect("nothing waits", 0, 0)
	for i := range 3 {
		part.Defer([]byte("mad"), deferred.Record{Topic: schemas.TopicRawLive, Offset: int64(i), ReceivedAt: now.Add(time.Duration(i-90) * time.Second)}, deferred.OverShare)
	}
	r.behind(schemas.TopicRawLive, 0, now)
	expect("all is read, and three wait", 3, 90)
	h, _ := part.Deferred().Next()
	part.Start(h)
	r.behind(schemas.TopicRawLive, 2, now)
	expect("one of them is processed in parts, and two are not read", 5, 90)
	part.Abandon()
	r.behind(schemas.TopicRawLive, 0, now)
	expect("the oldest is through", 2, 89)
}
