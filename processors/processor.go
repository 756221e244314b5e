package processors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Deps are the dependencies of a processor.
type Deps struct {
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Now        func() time.Time // nil: time.Now
	// ClientOptions are added to the options of every Kafka client, for TLS and SASL.
	ClientOptions []kgo.Opt
}

// Processor consumes raw topics and produces event topics until the context of Run ends. Ready may be called by any
// goroutine. The fields memberID and recordBytesMax belong to the goroutine of Run; the others never change or
// synchronise themselves.
type Processor struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	losses  *losses
	health  *health
	txnID   string
	// memberID is the member id of the last session.
	memberID string
	notes    *notebook
	damages  damages
	// recordBytesMax is the assumed maximum size of a record in bytes, for topics that do not report theirs.
	recordBytesMax int64
	state          atomic.Pointer[string] // the reason why it is not ready; nil: it is ready
}

// New returns a processor. It opens no connection before Run. The error names an invalid configuration key.
func New(cfg Config, deps Deps) (*Processor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Registerer == nil {
		deps.Registerer = prometheus.NewRegistry()
	}
	id := cfg.InstanceID
	if id == "" {
		id = randomInstance()
	}
	p := &Processor{cfg: cfg, deps: deps, log: deps.Log.With("component", "processor"), txnID: cfg.GroupID + "-" + id,
		recordBytesMax: int64(cfg.RecordBytesMax)}
	p.notes = newNotebook()
	p.metrics = newMetrics(deps.Registerer, deps.Now)
	p.losses, p.health = newLosses(p.metrics, p.log), newHealth(deps.Now)
	p.damages = damages{p: p}
	p.metrics.stalled(deps.Registerer, p.health)
	p.notReady("not started")
	return p, nil
}

// Ready returns nil if the processor serves its partitions and makes progress. Otherwise the error is the reason.
func (p *Processor) Ready() error {
	wrong := p.health.wrong()
	switch why := p.state.Load(); {
	case why == nil:
		return wrong
	case wrong != nil:
		return fmt.Errorf("%s; %w", *why, wrong)
	default:
		return errors.New(*why)
	}
}

func (p *Processor) notReady(why string) { p.state.Store(&why) }
func (p *Processor) ready()              { p.state.Store(nil) }

const (
	restartBackoffMin = 200 * time.Millisecond
	restartBackoffMax = 15 * time.Second
)

// Run processes until ctx ends. Then it commits the current transaction, leaves the group and returns nil.
//
// After an error of a session (an unknown commit outcome, a fenced producer, unreachable brokers) it discards all
// state. A new session then rebuilds the state, as after a restart. Run returns an error only if a new session cannot
// help. If another process with the same instance id took its place, it stands by until that one is gone.
func (p *Processor) Run(ctx context.Context) error {
	backoff := restartBackoffMin
	defer p.metrics.lags.forget(func(int32) bool { return false })
	for {
		started := p.deps.Now()
		err := p.session(ctx)
		p.notReady("session ended")
		if ctx.Err() != nil {
			return nil // the stop was requested; later errors do not matter
		}
		if fatal(err) {
			return fmt.Errorf("processor: %w", err)
		}
		lasted := p.deps.Now().Sub(started) > time.Minute
		if lasted {
			backoff = restartBackoffMin
		}
		p.health.failed(err, lasted)
		p.refused(err)
		p.damages.failed(err)
		p.metrics.restarts.Inc()
		p.log.Warn("session ended; starting a new one from the committed state", "error", err, "in", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, restartBackoffMax)
		if fenced(err) {
			if err := p.standBy(ctx); err != nil {
				return fmt.Errorf("processor: %w", err)
			}
		}
	}
}

// clientOptions returns the options that all clients of the processor share.
func (p *Processor) clientOptions() []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(p.cfg.Brokers...),
		kgo.ClientID(p.cfg.ClientID),
		kgo.MetadataMinAge(200 * time.Millisecond),
	}, p.deps.ClientOptions...)
}

// errMisconfigured marks errors that a new session cannot repair.
var errMisconfigured = errors.New("configuration does not fit the cluster")

// fatal reports whether a new session cannot repair an error.
func fatal(err error) bool {
	if errors.Is(err, errMisconfigured) {
		return true
	}
	for _, e := range []error{
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism,
		kerr.UnsupportedVersion, kerr.InvalidTransactionTimeout,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
