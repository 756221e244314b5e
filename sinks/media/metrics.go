package media

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media/plan"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

type metrics struct {
	meter    *sinks.Meter
	assets   *prometheus.CounterVec // by outcome
	attempts *prometheus.CounterVec // by result
	bytes    prometheus.Counter
	lost     prometheus.Counter
	removed  prometheus.Counter
	seconds  prometheus.Histogram
}

// laneOf is the value of the label lane.
func laneOf(live bool) string {
	if live {
		return sinks.Lanes()[0]
	}
	return sinks.Lanes()[1]
}

func newMetrics(s *Sink) (*metrics, error) {
	meter, err := sinks.NewMeter(name, s.deps.Registerer, s.lag, func() int { return 0 }, s.damage.Batches)
	if err != nil {
		return nil, err
	}
	m := &metrics{
		meter: meter,
		assets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_media_assets_total", Help: "Assets with an outcome: stored, or the reason why the asset is missing.",
		}, []string{"outcome"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_media_attempts_total", Help: "Attempts at assets, by result.",
		}, []string{"result"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "coexstream_media_bytes_total", Help: "Bytes written to the bucket. Known contents are not written again."}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_media_lost_offsets_total", Help: "Offsets that retention or a cut log removed before the media sink read them.",
		}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_media_removed_parts_total", Help: "Partial downloads that were removed to make room for others. They begin again.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "coexstream_media_attempt_seconds", Help: "Time of an attempt at an asset, from the look-up to the bucket.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 16),
		}),
	}
	m.assets.WithLabelValues(schemas.AssetStored)
	for _, reason := range schemas.AssetReasons() {
		m.assets.WithLabelValues(reason)
	}
	for k := plan.Stored; k <= plan.Own; k++ {
		m.attempts.WithLabelValues(k.String())
	}
	gauge := func(name, help string, labels prometheus.Labels, value func(plan.Census) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "coexstream_media_" + name, Help: help, ConstLabels: labels}, func() float64 { return value(s.census()) })
	}
	const waiting = "Assets that were read and have no outcome yet."
	return m, meter.Register(m.assets, m.attempts, m.bytes, m.lost, m.removed, m.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "coexstream_media_parts_bytes", Help: "Size of all partial downloads on the disk."}, func() float64 { return float64(s.partsBytes()) }),
		gauge("waiting_assets", waiting, prometheus.Labels{"lane": laneOf(true)}, func(c plan.Census) float64 { return float64(c.Live) }),
		gauge("waiting_assets", waiting, prometheus.Labels{"lane": laneOf(false)}, func(c plan.Census) float64 { return float64(c.Past) }),
		gauge("in_flight_assets", "Assets that are downloaded now.", nil, func(c plan.Census) float64 { return float64(c.InFlight) }),
		gauge("denied_businesses", "Businesses whose assets wait, because there is no token that the provider accepts.", nil, func(c plan.Census) float64 { return float64(c.Denied) }),
		gauge("hidden_assets", "Assets that wait, because the provider does not show them to the token: they do not exist, or it lacks the permission.", nil, func(c plan.Census) float64 { return float64(c.Hidden) }),
		gauge("expiry_seconds", "Time until the first waiting asset expires. The configured life of an asset while none waits.", nil, func(c plan.Census) float64 {
			if c.ExpireFirst.IsZero() {
				return s.cfg.Life.Seconds()
			}
			return max(0, c.ExpireFirst.Sub(s.deps.Now())).Round(time.Second).Seconds()
		}),
	)
}

func (m *metrics) read(place queue.Place, records int) {
	m.meter.Records.WithLabelValues(laneOf(place.Topic != schemas.TopicMedia)).Add(float64(records))
}

func (m *metrics) attempted(it *plan.Item, r *plan.Result, took time.Duration) {
	m.attempts.WithLabelValues(r.Kind.String()).Inc()
	m.seconds.Observe(took.Seconds())
	m.meter.Apply.WithLabelValues(laneOf(it.Live)).Observe(took.Seconds())
}

func (m *metrics) finished(_ *plan.Item, a *schemas.Asset) {
	outcome := a.Reason
	if a.State == schemas.AssetStored {
		outcome = schemas.AssetStored
	}
	m.assets.WithLabelValues(outcome).Inc()
}

// lag returns how many records of a lane are not read yet or have an asset without an outcome, and for how long some are not read.
func (s *Sink) lag(lane string) (records int64, behind time.Duration) {
	now := s.deps.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.Positions(func(p queue.Place, read int64, held int) {
		if laneOf(p.Topic != schemas.TopicMedia) == lane {
			records += max(0, s.ends[p.Topic][p.Partition]-read) + int64(held)
		}
	})
	if at, ok := s.behind[lane]; ok {
		behind = max(0, now.Sub(at))
	}
	return records, behind
}

// mark notes since when lanes have records that are not read. The caller holds mu.
func (s *Sink) mark(now time.Time) {
	unread := map[string]bool{}
	s.plan.Positions(func(p queue.Place, read int64, _ int) {
		if s.ends[p.Topic][p.Partition] > read {
			unread[laneOf(p.Topic != schemas.TopicMedia)] = true
		}
	})
	for _, lane := range sinks.Lanes() {
		if _, was := s.behind[lane]; !unread[lane] {
			delete(s.behind, lane)
		} else if !was {
			s.behind[lane] = now
		}
	}
}
