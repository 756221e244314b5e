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

type metrics struct {
	records *prometheus.CounterVec // by lane
	letters prometheus.Counter
	retries prometheus.Counter
	apply   *prometheus.HistogramVec // by lane
}

func newMetrics(s *Sink, reg prometheus.Registerer) (*metrics, error) {
	labels := prometheus.Labels{"sink": s.cfg.Name}
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_sink_records_total", Help: "Records written to the sink's target.", ConstLabels: labels,
		}, []string{"lane"}),
		letters: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_sink_letters_total", Help: "Records that the sink could not apply. It keeps them in its target.", ConstLabels: labels,
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_sink_retries_total", Help: "Failed attempts to read from the brokers or to write to the sink's target.", ConstLabels: labels,
		}),
		apply: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "coexstream_sink_apply_seconds", Help: "Time to write a batch to the sink's target.", ConstLabels: labels,
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"lane"}),
	}
	collectors := []prometheus.Collector{m.records, m.letters, m.retries, m.apply}
	for _, lane := range []string{laneLive, laneBacklog} {
		m.records.WithLabelValues(lane)
		m.apply.WithLabelValues(lane)
		laned := prometheus.Labels{"sink": s.cfg.Name, "lane": lane}
		collectors = append(collectors,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "coexstream_sink_lag_records", Help: "Offsets between the sink's positions and the ends of its topics.", ConstLabels: laned,
			}, func() float64 { records, _ := s.Lag(lane); return float64(records) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "coexstream_sink_lag_seconds", Help: "Time since the sink was last at the ends of its topics. 0 while it is.", ConstLabels: laned,
			}, func() float64 { _, since := s.Lag(lane); return since.Round(time.Millisecond).Seconds() }),
		)
	}
	collectors = append(collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "coexstream_sink_blocked_partitions", Help: "Partitions that the sink stopped reading: retention removed unread records, or the log was replaced or cut.", ConstLabels: labels,
	}, func() float64 { return float64(len(s.Blocked())) }))
	var errs []error
	for _, c := range collectors {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
