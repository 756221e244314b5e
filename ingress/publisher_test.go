package ingress

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/rawtest"
)

// publishing is a publisher that runs.
type publishing struct {
	*publish.Publisher
	reg *prometheus.Registry
}

// publisher starts a publisher and waits until it is ready.
func publisher(t testing.TB, brokers []string, change func(*publish.Config, *publish.Deps)) publishing {
	t.Helper()
	cfg, reg := publish.DefaultConfig(), prometheus.NewRegistry()
	cfg.Brokers = brokers
	deps := publish.Deps{Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	if change != nil {
		change(&cfg, &deps)
	}
	p, err := publish.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	rawtest.Run(t, p.Run)
	rawtest.WaitFor(t, "the publisher", func() bool { return p.Ready() == nil })
	return publishing{p, reg}
}
