package ingress

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// publishing is a Publisher that runs.
type publishing struct {
	*Publisher
	reg    *prometheus.Registry
	cancel context.CancelFunc
	done   chan error
}

func publisher(t testing.TB, brokers []string, change func(*PublisherConfig), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	return publisherOver(t, nil, brokers, change, prepare...)
}

// dialer is PublisherDeps.Dial.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// publisherOver is publisher over connections of another kind.
func publisherOver(t testing.TB, dial dialer, brokers []string, change func(*PublisherConfig), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	p := launch(t, brokers, dial, change, prepare...)
	rawtest.WaitFor(t, "the publisher", func() bool { return p.Ready() == nil })
	return p
}

// launch does not wait until it is ready. dial may be nil. prepare changes the publisher before it runs.
func launch(t testing.TB, brokers []string, dial dialer, change func(*PublisherConfig), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	cfg := DefaultPublisherConfig()
	cfg.Brokers = brokers
	if change != nil {
		change(&cfg)
	}
	reg := prometheus.NewRegistry()
	p, err := NewPublisher(cfg, PublisherDeps{Dial: dial, Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &publishing{p, reg, cancel, make(chan error, 1)}
	go func() { r.done <- p.Run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

func (p *publishing) stop() {
	p.cancel()
	if p.done != nil {
		<-p.done
		p.done = nil
	}
}
