package webhook

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// metrics are those of an endpoint: the ones of every sink, and its own.
type metrics struct {
	meter    *sinks.Meter
	requests *prometheus.CounterVec // by outcome
	letters  *prometheus.CounterVec // by reason
	seconds  prometheus.Histogram
}

// sinkName is the label `sink` of an endpoint.
func sinkName(endpoint string) string { return "webhook/" + endpoint }

func newMetrics(c *courier, endpoint string) (*metrics, error) {
	blocked := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := 0
		for _, r := range c.readers {
			if len(r.blocked) > 0 {
				n++
			}
		}
		return n
	}
	meter, err := sinks.NewMeter(sinkName(endpoint), c.s.deps.Registerer, c.lag, blocked, c.damage.Batches)
	if err != nil {
		return nil, err
	}
	labels := prometheus.Labels{"sink": sinkName(endpoint)}
	m := &metrics{
		meter: meter,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_webhook_requests_total", Help: "Requests to the endpoint. failed: 5xx, 408, 425, 429, redirects and no answer. refused: other 4xx. gone: 410.", ConstLabels: labels,
		}, []string{"outcome"}),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_webhook_letters_total", Help: "Events that became letters, by reason. webhook_noformat: the format of the endpoint cannot represent them.", ConstLabels: labels,
		}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "coexstream_webhook_request_seconds", Help: "Time until the endpoint answered, or did not.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
	}
	for _, f := range queue.Fates() {
		m.requests.WithLabelValues(f.String())
	}
	for _, r := range queue.Reasons() {
		m.letters.WithLabelValues(string(r))
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return value()
		})
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	return m, meter.Register(m.requests, m.letters, m.seconds,
		gauge("coexstream_webhook_held_events", "Events that were read and not acknowledged yet.", func() float64 { return float64(c.q.Held()) }),
		gauge("coexstream_webhook_failing", "1 while the endpoint fails and gets probes only.", func() float64 { return flag(c.breaker.State() != gobreaker.StateClosed) }),
		gauge("coexstream_webhook_disabled", "1 after the endpoint answered 410, until it is changed.", func() float64 { return flag(c.q.Disabled()) }),
	)
}

// answer counts a request.
func (m *metrics) answer(d *queue.Delivery, a queue.Answer, fate queue.Fate) {
	m.requests.WithLabelValues(fate.String()).Inc()
	m.seconds.Observe(a.Took.Seconds())
	if fate != queue.Delivered {
		return
	}
	lane := sinks.Lanes()[1]
	if d.Items[0].Live {
		lane = sinks.Lanes()[0]
	}
	m.meter.Records.WithLabelValues(lane).Add(float64(len(d.Items)))
	m.meter.Apply.WithLabelValues(lane).Observe(a.Took.Seconds())
}
