package publish

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/raw"
)

// publisherMetrics are the metrics of a Publisher.
type publisherMetrics struct {
	inFlightBytes prometheus.Gauge
	segmented     prometheus.Counter
	produceErrors [produceErrorKinds]prometheus.Counter
	topics        [raw.Lanes]*topicMetrics
}

// topicMetrics are those of one raw topic.
type topicMetrics struct {
	batchRecords, batchBytes, latency prometheus.Observer
}

func newPublisherMetrics(reg prometheus.Registerer) (*publisherMetrics, error) {
	m := &publisherMetrics{
		inFlightBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "coexstream_ingress_publish_in_flight_bytes",
			Help: "Bytes of records that wait for an acknowledgement of Kafka.",
		}),
		segmented: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_ingress_segmented_total",
			Help: "Bodies that were written in segments, because they are longer than a record of the topic may be.",
		}),
	}
	produceErrors := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_produce_errors_total",
		Help: "Produce attempts that failed, by kind. A failed attempt is tried again while there is time.",
	}, []string{"kind"})
	batchRecords := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "coexstream_ingress_batch_records",
		Help:    "Records in a batch.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 11),
	}, []string{"topic"})
	batchBytes := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "coexstream_ingress_batch_bytes",
		Help:    "Bytes in a batch, before compression.",
		Buckets: prometheus.ExponentialBuckets(1<<10, 4, 8),
	}, []string{"topic"})
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "coexstream_ingress_produce_duration_seconds",
		Help:    "Time from sending a batch to its acknowledgement, of the attempt that succeeded.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
	}, []string{"topic"})
	for k := range produceErrorKinds {
		m.produceErrors[k] = produceErrors.WithLabelValues(k.String())
	}
	for _, t := range raw.Topics() {
		m.topics[raw.Lane(t)] = &topicMetrics{
			batchRecords: batchRecords.WithLabelValues(t.String()),
			batchBytes:   batchBytes.WithLabelValues(t.String()),
			latency:      latency.WithLabelValues(t.String()),
		}
	}
	for _, c := range []prometheus.Collector{m.inFlightBytes, m.segmented, produceErrors, batchRecords, batchBytes, latency} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register publisher metrics: %w", err)
		}
	}
	return m, nil
}
