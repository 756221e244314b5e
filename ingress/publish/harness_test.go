package publish

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// publishing is a Publisher that runs.
type publishing struct {
	*Publisher
	reg  *prometheus.Registry
	stop func() // ends Run and waits for it
}

func publisher(t testing.TB, brokers []string, change func(*Config), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	p := launch(t, brokers, change, prepare...)
	rawtest.WaitFor(t, "the publisher", func() bool { return p.Ready() == nil })
	return p
}

// launch does not wait until the publisher is ready. prepare changes the publisher before it runs.
func launch(t testing.TB, brokers []string, change func(*Config), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Brokers = brokers
	if change != nil {
		change(&cfg)
	}
	reg := prometheus.NewRegistry()
	p, err := New(cfg, Deps{Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(p)
	}
	return &publishing{Publisher: p, reg: reg, stop: rawtest.Run(t, p.Run)}
}
