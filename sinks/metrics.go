package sinks

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	laneLive    = "live"
	laneBacklog = "backlog"
)

// Meter has the metrics of a sink. Every kind of sink has the same ones.
type Meter struct {
	Records *prometheus.CounterVec // by lane
	Letters prometheus.Counter
	Retries prometheus.Counter
	Apply   *prometheus.HistogramVec // by lane

	registerer prometheus.Registerer
	collectors []prometheus.Collector
}

// Lanes are the values of the label lane.
func Lanes() []string { return []string{laneLive, laneBacklog} }

// NewMeter registers the metrics of a sink. lag returns how many offsets a lane is behind, and for how long; blocked the partitions that are
// not read on;
// damaged the damaged batches that the sink waits for.
func NewMeter(name string, reg prometheus.Registerer, lag func(lane string) (int64, time.Duration), blocked, damaged func() int) (*Meter, error) {
	labels := prometheus.Labels{"sink": name}
	m := &Meter{
		registerer: reg,
		Records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_sink_records_total", Help: "Records written to the sink's target.", ConstLabels: labels,
		}, []string{"lane"}),
		Letters: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_sink_letters_total", Help: "Records that the sink could not apply, and set aside.", ConstLabels: labels,
		}),
		Retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_sink_retries_total", Help: "Failed attempts to read from the brokers or to write to the sink's target.", ConstLabels: labels,
		}),
		Apply: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "coexstream_sink_apply_seconds", Help: "Time to write a batch to the sink's target.", ConstLabels: labels,
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"lane"}),
	}
	m.collectors = []prometheus.Collector{m.Records, m.Letters, m.Retries, m.Apply}
	for _, lane := range Lanes() {
		m.Records.WithLabelValues(lane)
		m.Apply.WithLabelValues(lane)
		laned := prometheus.Labels{"sink": name, "lane": lane}
		m.collectors = append(m.collectors,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "coexstream_sink_lag_records", Help: "Offsets between the sink's positions and the ends of its topics.", ConstLabels: laned,
			}, func() float64 { records, _ := lag(lane); return float64(records) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "coexstream_sink_lag_seconds", Help: "Time since the sink was last at the ends of its topics. 0 while it is.", ConstLabels: laned,
			}, func() float64 { _, since := lag(lane); return since.Round(time.Millisecond).Seconds() }),
		)
	}
	m.collectors = append(m.collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "coexstream_sink_blocked_partitions", Help: "Partitions that the sink stopped reading: retention removed unread records, or the log was replaced or cut.", ConstLabels: labels,
	}, func() float64 { return float64(blocked()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "coexstream_sink_damaged_batches", Help: "Damaged batches of logs that the sink waits for, each with one topic of one partition.", ConstLabels: labels,
	}, func() float64 { return float64(damaged()) }))
	own := m.collectors
	m.collectors = nil
	return m, m.Register(own...)
}

// Register adds collectors that Unregister removes with the others.
func (m *Meter) Register(collectors ...prometheus.Collector) error {
	var errs []error
	for _, c := range collectors {
		errs = append(errs, m.registerer.Register(c))
	}
	m.collectors = append(m.collectors, collectors...)
	return errors.Join(errs...)
}

// Unregister removes all metrics.
func (m *Meter) Unregister() {
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}
