package handover

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/rawtest"
)

// publisher starts a publisher, which may not be ready yet.
func publisher(t testing.TB, brokers []string) *publish.Publisher {
	t.Helper()
	cfg := publish.DefaultConfig()
	cfg.Brokers = brokers
	p, err := publish.New(cfg, publish.Deps{Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	rawtest.Run(t, p.Run)
	return p
}
