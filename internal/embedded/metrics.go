package embedded

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// quarantineMetrics read the quarantine at each scrape, so that they fall when it is acknowledged.
type quarantineMetrics struct {
	dir            string
	bytes, records *prometheus.Desc
}

// RegisterMetrics registers the metrics of a broker's folder.
func RegisterMetrics(reg prometheus.Registerer, dir string) error {
	m := &quarantineMetrics{
		dir: dir,
		bytes: prometheus.NewDesc("coexstream_broker_quarantine_bytes",
			"Damaged bytes of the embedded broker that are in quarantine and not acknowledged, by topic; broker: its own files.", []string{"topic"}, nil),
		records: prometheus.NewDesc("coexstream_broker_quarantine_records",
			"Records that are gone with the damage in quarantine; damage whose records cannot be counted counts as one.", []string{"topic"}, nil),
	}
	if err := reg.Register(m); err != nil {
		return fmt.Errorf("register metrics of the embedded broker: %w", err)
	}
	return nil
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
