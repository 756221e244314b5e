package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/durable"
	"github.com/coexstream/coexstream/bench/load"
)

// server is an HTTP server under test.
type server struct {
	name   string
	proc   *child.Process
	url    string
	secret string
	wrap   string // in what it takes bodies
	admin  string // address of the subject's admin listener
	// broker and log are nil for one that keeps nothing.
	broker *broker
	log    *durable.Log
	mark   durable.Mark
}

// stop ends the server.
func (s *server) stop() error {
	if s.log != nil {
		s.log.Close()
	}
	return s.proc.Stop()
}

// keepsIn tells in which topics the server's bodies have to be.
func (s *server) keepsIn(ctx context.Context, b *broker, topics ...string) error {
	log, err := durable.Open(b.addresses, topics)
	if err != nil {
		return err
	}
	s.broker, s.log = b, log
	s.mark, err = log.Mark(ctx)
	return err
}

// measured is what one load of a server came to.
type measured struct {
	report            load.Report
	serverCPU         time.Duration
	brokerCPU         time.Duration
	peakRSS           int64
	verdict           durable.Verdict
	repliesOK, checks bool // all answers were 2xx; a log was looked into
}

// load runs a load against the server and checks what it acknowledged.
func (h *harness) load(ctx context.Context, s *server, spec load.Spec, ts *load.Templates) (measured, error) {
	var m measured
	h.runs++
	spec.URL, spec.Secret, spec.Wrap, spec.Run = s.url, s.secret, s.wrap, h.runs
	if err := s.proc.ForgetPeak(); err != nil {
		return m, err
	}
	before, err := s.cpu()
	if err != nil {
		return m, err
	}
	if m.report, err = h.runLoad(ctx, spec); err != nil {
		return m, err
	}
	after, err := s.cpu()
	if err != nil {
		return m, err
	}
	m.serverCPU, m.brokerCPU = after[0]-before[0], after[1]-before[1]
	if m.peakRSS, err = s.proc.PeakRSS(); err != nil {
		return m, err
	}
	m.repliesOK = m.report.Acked > 0 && m.report.Acked == m.report.Requests
	if s.log == nil {
		return m, nil
	}
	m.checks = true
	if m.verdict, s.mark, err = s.log.Check(ctx, s.mark, spec.Run, ts, &m.report); err != nil {
		return m, err
	}
	return m, s.log.Trim(ctx, s.mark)
}

// cpu is what the server and its broker have computed.
func (s *server) cpu() (used [2]time.Duration, err error) {
	if used[0], err = s.proc.CPU(); err != nil {
		return used, err
	}
	if s.broker != nil && s.broker.proc != nil {
		used[1], err = s.broker.proc.CPU()
	}
	return used, err
}

// runLoad runs the load's process.
func (h *harness) runLoad(ctx context.Context, spec load.Spec) (load.Report, error) {
	var r load.Report
	in, err := json.Marshal(spec)
	if err != nil {
		return r, fmt.Errorf("load: %w", err)
	}
	out, err := child.Run(ctx, child.Command{Name: "load", Args: []string{h.self, "load"}, CPUs: h.o.loadCPUs}, in)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("load: its report: %w", err)
	}
	return r, nil
}

// Metrics of a server under load.
var (
	rateMetric      = compare.Metric{Key: "rate", Title: "acknowledged", Unit: "req/s", More: true}
	megabytesMetric = compare.Metric{Key: "megabytes", Title: "bodies", Unit: "MB/s", More: true}
	p50Metric       = compare.Metric{Key: "p50", Title: "p50", Unit: "ms"}
	p99Metric       = compare.Metric{Key: "p99", Title: "p99", Unit: "ms"}
	p999Metric      = compare.Metric{Key: "p999", Title: "p99.9", Unit: "ms"}
	cpuMetric       = compare.Metric{Key: "cpu", Title: "server CPU", Unit: "µs/req"}
	brokerCPUMetric = compare.Metric{Key: "broker_cpu", Title: "broker CPU", Unit: "µs/req"}
	perCoreMetric   = compare.Metric{Key: "per_core", Title: "per core", Unit: "MB/s of server CPU", More: true}
	rssMetric       = compare.Metric{Key: "rss", Title: "peak RSS", Unit: "MB"}
	lateMetric      = compare.Metric{Key: "late", Title: "begun late p99", Unit: "ms"}
)

const (
	microsPerMilli = 1e3
	megabyte       = 1e6
)

// sample turns the measurements into figures.
func (m *measured) sample() compare.Sample {
	r := &m.report
	s := compare.Sample{Values: map[string]float64{
		rateMetric.Key: r.Rate(), megabytesMetric.Key: float64(r.Bytes) / megabyte / r.Elapsed.Seconds(),
		p50Metric.Key: float64(r.Latency.P50) / microsPerMilli, p99Metric.Key: float64(r.Latency.P99) / microsPerMilli, p999Metric.Key: float64(r.Latency.P999) / microsPerMilli,
		rssMetric.Key: float64(m.peakRSS) / megabyte,
	}}
	if r.Late.Count > 0 {
		s.Values[lateMetric.Key] = float64(r.Late.P99) / microsPerMilli
	}
	if m.serverCPU > 0 && r.Acked > 0 {
		s.Values[cpuMetric.Key] = float64(m.serverCPU.Microseconds()) / float64(r.Acked)
		s.Values[perCoreMetric.Key] = float64(r.Bytes) / megabyte / m.serverCPU.Seconds()
	}
	if m.brokerCPU > 0 && r.Acked > 0 {
		s.Values[brokerCPUMetric.Key] = float64(m.brokerCPU.Microseconds()) / float64(r.Acked)
	}
	s.OK = m.repliesOK
	switch {
	case m.checks:
		s.OK = s.OK && m.verdict.OK()
		s.Verdict = m.verdict.String()
	case m.repliesOK:
		s.Verdict = fmt.Sprintf("OK: %d of %d answered with 2xx, nothing is kept", r.Acked, r.Requests)
	}
	if !m.repliesOK {
		s.Verdict = fmt.Sprintf("FAILED: %d of %d acknowledged; answers by status: %v; %s", r.Acked, r.Requests, r.Statuses, r.Error)
	}
	return s
}

// contestant lets a server take turns under a load. Its first turn is preceded by a shorter one that does not
// count.
func (h *harness) contestant(s *server, remark string, spec load.Spec, ts *load.Templates) compare.Contestant {
	warm := false
	return compare.Contestant{Name: s.name, Remark: remark, Turn: func(ctx context.Context) (compare.Sample, error) {
		if !warm {
			warm = true
			short := spec
			short.Duration = min(spec.Duration, time.Second)
			if _, err := h.load(ctx, s, short, ts); err != nil {
				return compare.Sample{}, err
			}
		}
		m, err := h.load(ctx, s, spec, ts)
		if err != nil {
			return compare.Sample{}, err
		}
		return m.sample(), nil
	}}
}

// stops ends what a match has started, the latest first.
type stops []func() error

func (s *stops) add(f func() error) { *s = append(*s, f) }

func (s *stops) all(err *error) {
	for i := len(*s) - 1; i >= 0; i-- {
		*err = errors.Join(*err, (*s)[i]())
	}
}
