package processors

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// TestCountersOfAlertsBeginWithZero: Prometheus sees no increase from nothing to 1.
func TestCountersOfAlertsBeginWithZero(t *testing.T) {
	reg := prometheus.NewRegistry()
	newMetrics(reg, time.Now)
	for name, series := range map[string]int{
		"records_lost_total": len(schemas.Inputs()), "dead_letters_total": len(schemas.Reasons()), "refetches_total": 4,
		"joined_bodies_total": 2, "sync_gaps_total": 1, "transactions_total": 4, "session_restarts_total": 1, "rebalances_total": 1,
	} {
		if got := valuesOf(t, reg, "coexstream_processor_"+name); !slices.Equal(got, make([]float64, series)) {
			t.Errorf("%s begins with %v, want %d times 0", name, got, series)
		}
	}
}
