// Package probe gathers the facts that package doctor judges. It only reads: it joins no group, writes no
// record, and asks for nothing that brokers would create on being asked.
package probe

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// Options select the objects to examine.
type Options struct {
	Checks  []string // names of checks
	Config  *config.Config
	Sources []config.Source

	Conn   kafka.Connection
	Layout kafka.Layout
	// TransactionalID is the one whose coordinator is asked for.
	TransactionalID string

	Files        []SecretFile
	Certificates []CertificateFile
	Folders      []Folder
	Tokens       *Folder // with a token in each file; nil: none is configured
	Spools       []SpoolFolder
	BrokerData   func() (doctor.BrokerData, error) // nil: not looked at
	Processes    []Process
	Admin        http.RoundTripper // to the processes, with the credentials for their listeners

	Now func() time.Time
}

// prober gathers facts for as long as its context allows.
type prober struct {
	Options
	mu    sync.Mutex
	facts *doctor.Facts

	cl      *kgo.Client
	adm     *kadm.Client
	fetcher *kafka.Fetcher
	topics  []string // of the layout, those that are there
}

// step gathers the facts of one check.
type step struct {
	check  string
	others []string // checks that judge these facts, too
	run    func(*prober, context.Context) error
}

var local = []step{
	{"secrets", nil, (*prober).files},
	{"certificates", nil, (*prober).certificates},
	{"disk", nil, (*prober).folders},
	{"spool", nil, (*prober).spools},
	{"broker", nil, (*prober).brokerData},
	{"processes", []string{"clock", "spool", "sinks"}, (*prober).processes},
}

var remote = []step{
	{"cluster", nil, (*prober).settings},
	{"topics", nil, (*prober).verify},
	{"replicas", nil, (*prober).partitions},
	{"group", nil, (*prober).group},
	{"lag", nil, (*prober).inputs},
	{"state", nil, (*prober).states},
	{"reading", nil, (*prober).reading},
	{"transactions", []string{"clock"}, (*prober).transactions},
	{"dlq", nil, (*prober).deadLetters},
	{"syncs", nil, (*prober).syncs},
	{"clock", nil, (*prober).newest},
}

// atATime bounds the steps that run at once.
const atATime = 4

// Gather gathers the facts for the checks. The facts contain the errors.
func Gather(ctx context.Context, o Options) *doctor.Facts {
	p := &prober{Options: o, facts: &doctor.Facts{
		Now: o.Now(), Config: o.Config, Sources: o.Sources, Failed: map[string]error{}, Absent: map[string]bool{},
	}}
	p.all(ctx, local)
	if err := p.connect(); err != nil {
		p.failed("brokers", err)
		return p.facts
	}
	defer p.cl.Close()
	if p.wantsBrokers() {
		p.reach(ctx)
		if len(p.facts.Brokers) > 0 {
			p.all(ctx, remote)
		}
	}
	return p.facts
}

func (p *prober) wantsBrokers() bool {
	for _, c := range doctor.Checks() {
		if (c.Kafka || c.Name == "brokers" || c.Name == "clock") && slices.Contains(p.Checks, c.Name) {
			return true
		}
	}
	return false
}

func (p *prober) all(ctx context.Context, steps []step) {
	var g errgroup.Group
	g.SetLimit(atATime)
	for _, s := range steps {
		wanted := slices.Contains(p.Checks, s.check)
		for _, other := range s.others {
			wanted = wanted || slices.Contains(p.Checks, other)
		}
		if !wanted {
			continue
		}
		g.Go(func() error {
			if err := p.persist(ctx, s); err != nil {
				p.failed(s.check, err)
			}
			return nil
		})
	}
	_ = g.Wait() // every error is a fact
}

// A coordinator or a leader that moves is away for some seconds, and that is no finding.
const (
	stepTries = 3
	stepPause = 2 * time.Second
)

// persist runs a step, and again when it fails. Each run begins with nothing gathered.
func (p *prober) persist(ctx context.Context, s step) error {
	for try := 1; ; try++ {
		err := s.run(p, ctx)
		if err == nil || try == stepTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(stepPause):
		}
	}
}

func (p *prober) failed(check string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.facts.Failed[check] = err
}

func (p *prober) connect() error {
	cl, err := kgo.NewClient(append(p.Conn.Franz(), kgo.RetryTimeout(p.Conn.RequestTimeout), kgo.RequestRetries(2))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	p.cl, p.adm, p.fetcher = cl, kadm.NewClient(cl), kafka.NewFetcher(cl)
	return nil
}

func (p *prober) topic(t schemas.Topic) string { return t.Name(p.Layout.Prefix) }

// there keeps the topics that are there: asking for others is an error each time.
func (p *prober) there(topics ...schemas.Topic) []string {
	var names []string
	for _, t := range topics {
		if slices.Contains(p.topics, p.topic(t)) {
			names = append(names, p.topic(t))
		}
	}
	return names
}
