package processors

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// told is what the registry tells under a name: one value for each set of labels.
func told(t *testing.T, reg *prometheus.Registry, name string) (values []float64) {
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
	m := newMetrics(reg)
	r := &runner{partition: 3, metrics: m}
	expect := func(what string, records, seconds float64) {
		t.Helper()
		if got := told(t, reg, "coexstream_processor_lag_records"); !slices.Equal(got, []float64{records}) {
			t.Errorf("%s: %v records, want %v", what, got, records)
		}
		if got := told(t, reg, "coexstream_processor_lag_seconds"); !slices.Equal(got, []float64{seconds}) {
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

func TestLagOfAPartitionIsNotToldByAnOldOwner(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	for _, p := range []int32{1, 2} {
		(&runner{partition: p, metrics: m}).behind(schemas.TopicRawBulk, 9, time.Unix(1, 0))
	}
	m.forget(1)
	if n := len(told(t, reg, "coexstream_processor_lag_records")); n != 1 {
		t.Errorf("%d partitions tell their lag, want 1", n)
	}
	m.forgetAll()
	if n := len(told(t, reg, "coexstream_processor_lag_seconds")); n != 0 {
		t.Errorf("%d partitions tell their lag after the session", n)
	}
}
