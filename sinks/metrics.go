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
			Name: "coexstream_sink_records_total", Help: "Records that the sink's target has taken.", ConstLabels: labels,
		}, []string{"lane"}),
		letters: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_sink_letters_total", Help: "Records that the sink could not apply and set aside in its target.", ConstLabels: labels,
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_sink_retries_total", Help: "Batches that are tried again because the sink's target or the brokers did not take or give them.", ConstLabels: labels,
		}),
		apply: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "coexstream_sink_apply_seconds", Help: "Time in which the sink's target takes a batch.", ConstLabels: labels,
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
				Name: "coexstream_sink_lag_records", Help: "Offsets between where the sink stands and the ends of its topics.", ConstLabels: laned,
			}, func() float64 { records, _ := s.Lag(lane); return float64(records) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "coexstream_sink_lag_seconds", Help: "Time since the sink had read its topics to their ends; 0 while it has.", ConstLabels: laned,
			}, func() float64 { _, since := s.Lag(lane); return since.Round(time.Millisecond).Seconds() }),
		)
	}
	collectors = append(collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "coexstream_sink_blocked_partitions", Help: "Partitions that the sink does not read on, because records are gone unread or the log is another one.", ConstLabels: labels,
	}, func() float64 { return float64(len(s.Blocked())) }))
	var errs []error
	for _, c := range collectors {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
