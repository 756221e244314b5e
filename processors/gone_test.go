package processors

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// TestALossIsCountedOnce, though a session that begins again before it commits meets it again.
func TestALossIsCountedOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMetrics(prometheus.NewRegistry(), time.Now)
	registry.MustRegister(m.recordsLost)
	l := newLosses(m, slog.New(slog.DiscardHandler))
	for _, step := range []struct {
		partition int32
		from, to  int64
		sum       float64
	}{
		{0, 5, 10, 5}, {0, 5, 10, 5}, {0, 5, 12, 7}, {0, 7, 9, 7}, {1, 5, 10, 12}, {0, 20, 20, 12}, {0, 30, 20, 12}, {0, 20, 21, 13},
	} {
		l.gone(schemas.TopicRawLive, step.partition, step.from, step.to)
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || len(families[0].GetMetric()) != len(schemas.Inputs()) {
			t.Fatalf("%v %v", families, err)
		}
		got := 0.0
		for _, m := range families[0].GetMetric() {
			got += m.GetCounter().GetValue()
		}
		if got != step.sum {
			t.Errorf("after %+v: %v", step, got)
		}
	}
}
