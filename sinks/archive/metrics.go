package archive

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	objects, records, bytes, adopted, lost, retries prometheus.Counter
	write                                           prometheus.Histogram
}

func newMetrics(s *Sink, reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "coexstream_archive_" + name, Help: help})
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "coexstream_archive_" + name, Help: help}, value)
	}
	m := &metrics{
		objects: counter("objects_total", "Objects written to the archive."),
		records: counter("records_total", "Records in the objects written to the archive."),
		bytes:   counter("bytes_total", "Bytes of the objects written to the archive."),
		adopted: counter("adopted_objects_total", "Objects that another process had written first. The archive continued behind them."),
		lost:    counter("lost_offsets_total", "Offsets that retention removed before they were archived."),
		retries: counter("retries_total", "Failed attempts to read from the brokers or to use the archive's bucket."),
		write: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "coexstream_archive_write_seconds", Help: "Time to write an object to the archive's bucket.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.objects, m.records, m.bytes, m.adopted, m.lost, m.retries, m.write,
		gauge("waiting_offsets", "Offsets that are not archived yet.", func() float64 { n, _ := s.Waiting(); return float64(n) }),
		gauge("oldest_seconds", "Time for which the first record that is not archived waits. 0: none waits.", func() float64 {
			if _, since := s.Waiting(); !since.IsZero() {
				return max(0, s.deps.Now().Sub(since)).Round(time.Millisecond).Seconds()
			}
			return 0
		}),
		gauge("rotation_seconds", "Time for which a record waits at most, as configured.", func() float64 { return s.cfg.Rotation.Seconds() }),
		gauge("blocked_partitions", "Partitions of topics that the archive does not continue: the log was cut, or an object is damaged.", func() float64 { return float64(s.blocked()) }),
		gauge("damaged_batches", "Damaged batches of logs that the archive waits for, each with one topic of one partition.", func() float64 { return float64(s.damaged()) }),
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
