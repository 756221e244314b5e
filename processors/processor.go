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

// Deps is what a processor needs from outside.
type Deps struct {
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Now        func() time.Time // nil: time.Now
	// ClientOptions are added to every Kafka client: TLS, SASL.
	ClientOptions []kgo.Opt
}

// Processor consumes raw topics and produces event topics until it is told to stop.
type Processor struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	losses  *losses
	health  *health
	txnID   string
	// memberID is what the group called the last session; of Run alone.
	memberID string
	notes    *notebook
	// recordBytesMax is the longest record that a topic is thought to take; of Run alone.
	recordBytesMax int64
	state          atomic.Pointer[string] // why it is not ready; nil when it is
}

// New makes a processor. It talks to nobody before Run.
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
	p.metrics.stalled(deps.Registerer, p.health)
	p.notReady("not started")
	return p, nil
}

// Ready tells whether the processor serves its partitions and gets on; the error says why not.
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

// Run processes until ctx ends, then commits what is under way, leaves the group and returns nil.
//
// An error of the session (an unknown commit outcome, a fenced or lost producer, brokers gone) throws all
// state away and begins a new session, which rebuilds it: the same path as a restart. Run returns an error
// only where beginning again cannot help. A processor whose place another one of the same name took stands by
// until that is gone.
func (p *Processor) Run(ctx context.Context) error {
	backoff := restartBackoffMin
	defer p.metrics.lags.forget(func(int32) bool { return false })
	for {
		started := p.deps.Now()
		err := p.session(ctx)
		p.notReady("session ended")
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop; what failed since is of no use
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
		p.metrics.restarts.Inc()
		p.log.Warn("session ended; beginning again from the committed state", "error", err, "in", backoff)
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

// clientOptions are those of every client of the processor.
func (p *Processor) clientOptions() []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(p.cfg.Brokers...),
		kgo.ClientID(p.cfg.ClientID),
		kgo.MetadataMinAge(200 * time.Millisecond),
	}, p.deps.ClientOptions...)
}

// errMisconfigured marks errors that no new session can mend.
var errMisconfigured = errors.New("configuration does not fit the cluster")

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
