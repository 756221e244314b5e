package embedded

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// Metrics are those of a broker. Methods of a nil *Metrics do nothing.
type Metrics struct {
	quarantine     quarantineMetrics
	closed, failed prometheus.Counter // connections
}

// quarantineMetrics read the quarantine at each scrape, so that they fall when it is acknowledged.
type quarantineMetrics struct {
	dir            string
	bytes, records *prometheus.Desc
}

// NewMetrics returns the metrics of a broker and its folder.
func NewMetrics(dir string) *Metrics {
	return &Metrics{quarantine: newQuarantineMetrics(dir),
		closed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_broker_connections_closed_total",
			Help: "Connections of the embedded broker closed for newer ones, at embedded.connections_max or its part for silent ones.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_broker_accept_failures_total",
			Help: "Failed attempts of the embedded broker to accept a connection, such as too many open files.",
		}),
	}
}

// Register registers the metrics, when the broker runs.
func (m *Metrics) Register(reg prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{&m.quarantine, m.closed, m.failed} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics of the embedded broker: %w", err)
		}
	}
	return nil
}

func (m *Metrics) connectionClosed() {
	if m != nil {
		m.closed.Inc()
	}
}

func (m *Metrics) acceptFailed() {
	if m != nil {
		m.failed.Inc()
	}
}

func newQuarantineMetrics(dir string) quarantineMetrics {
	return quarantineMetrics{
		dir: dir,
		bytes: prometheus.NewDesc("coexstream_broker_quarantine_bytes",
			"Damaged bytes of the embedded broker that are in quarantine and not acknowledged, by topic; broker: its own files.", []string{"topic"}, nil),
		records: prometheus.NewDesc("coexstream_broker_quarantine_records",
			"Records that are gone with the damage in quarantine; damage whose records cannot be counted counts as one.", []string{"topic"}, nil),
	}
}

// Describe is of prometheus.Collector.
func (m *quarantineMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.bytes
	to <- m.records
}

// Collect is of prometheus.Collector.
func (m *quarantineMetrics) Collect(to chan<- prometheus.Metric) {
	bytes, records := map[string]float64{"broker": 0, "other": 0}, map[string]float64{}
	for _, t := range schemas.Topics() {
		bytes[t.String()] = 0
	}
	list, err := Quarantined(m.dir)
	if err != nil {
		to <- prometheus.NewInvalidMetric(m.bytes, err)
		return
	}
	for i := range list {
		d := &list[i]
		bytes[d.Of()] += float64(d.Bytes)
		if d.Lost {
			records[d.Of()] += float64(max(d.Records(), 1))
		}
	}
	for topic, n := range bytes {
		to <- prometheus.MustNewConstMetric(m.bytes, prometheus.GaugeValue, n, topic)
		to <- prometheus.MustNewConstMetric(m.records, prometheus.GaugeValue, records[topic], topic)
	}
}
