package spool

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appendedRecords, appendedBytes, drainedRecords, drainedBytes prometheus.Counter
	abandoned, fsyncFailures, quarantined, setAside              prometheus.Counter
	progressFailures                                             prometheus.Counter
	fsync                                                        prometheus.Histogram
	damagedBytes, refusals                                       *prometheus.CounterVec
	full, fullAge, failed, busy, timeout, closed                 prometheus.Counter
}

// newMetrics registers the metrics of a spool. Several spools need registerers that add a label.
func newMetrics(reg prometheus.Registerer, s *Spool) (*metrics, error) {
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "coexstream_spool_" + name, Help: help})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string, value func() float64) {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "coexstream_spool_" + name, Help: help}, value))
	}
	m := &metrics{
		appendedRecords:  counter("appended_records_total", "Records that became durable in the spool."),
		appendedBytes:    counter("appended_bytes_total", "Bytes of the records that became durable in the spool, with their framing."),
		drainedRecords:   counter("drained_records_total", "Records that were taken out of the spool."),
		drainedBytes:     counter("drained_bytes_total", "Bytes of the records that were taken out of the spool."),
		abandoned:        counter("segments_abandoned_total", "Segments that were given up after a failed write or fsync."),
		fsyncFailures:    counter("fsync_failures_total", "Fsyncs that failed."),
		quarantined:      counter("segments_quarantined_total", "Damaged segments that were moved to quarantine."),
		setAside:         counter("records_set_aside_total", "Records that Kafka refuses permanently, kept in quarantine."),
		progressFailures: counter("progress_failures_total", "Times that the progress could not be written; after a crash, more is written to Kafka twice."),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "coexstream_spool_fsync_duration_seconds", Help: "Time of an fsync.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		damagedBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_spool_damaged_bytes_total",
			Help: "Bytes that could not be decoded: inner is damage, tail may be a write that was cut before it was acknowledged.",
		}, []string{"kind"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_spool_refused_total", Help: "Records that the spool did not take.",
		}, []string{"reason"}),
	}
	m.full, m.fullAge, m.failed = m.refusals.WithLabelValues("full_bytes"), m.refusals.WithLabelValues("full_age"), m.refusals.WithLabelValues("failed")
	m.busy, m.timeout, m.closed = m.refusals.WithLabelValues("busy"), m.refusals.WithLabelValues("timeout"), m.refusals.WithLabelValues("closed")
	for _, kind := range []string{damageTail, damageInner} {
		m.damagedBytes.WithLabelValues(kind)
	}
	gauge("records", "Records in the spool that nobody has taken.", func() float64 { return float64(s.Stats().Records) })
	gauge("bytes", "Bytes of the spool's files, those in quarantine included.", func() float64 { return float64(s.Stats().Bytes) })
	gauge("bytes_max", "Most bytes that the spool may have.", func() float64 { return float64(s.cfg.BytesMax) })
	gauge("pending_bytes", "Bytes that wait to be written to the spool, or are being written.", func() float64 { return float64(s.Stats().PendingBytes) })
	gauge("quarantine_bytes", "Bytes in quarantine.", func() float64 { return float64(s.Stats().QuarantineBytes) })
	gauge("segments", "Segments of the spool.", func() float64 { return float64(s.Stats().Segments) })
	gauge("oldest_seconds", "Age of the oldest record that nobody has taken; 0: there is none.", func() float64 {
		if oldest := s.Stats().Oldest; !oldest.IsZero() {
			return max(0, s.now().Sub(oldest).Seconds())
		}
		return 0
	})
	gauge("writable", "1 when the spool takes records, 0 when it is full or its disk fails.", func() float64 {
		if s.Ready() != nil {
			return 0
		}
		return 1
	})
	for _, c := range append(all, m.fsync, m.damagedBytes, m.refusals) {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the spool: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) refused(err error) {
	switch {
	case errors.Is(err, ErrFullBytes):
		m.full.Inc()
	case errors.Is(err, ErrFullAge):
		m.fullAge.Inc()
	case errors.Is(err, ErrBusy):
		m.busy.Inc()
	case errors.Is(err, ErrTimeout):
		m.timeout.Inc()
	case errors.Is(err, ErrClosed):
		m.closed.Inc()
	default:
		m.failed.Inc()
	}
}
