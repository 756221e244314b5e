package processors

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// progress is how far one input of one partition has been processed, for its lag in seconds.
type progress struct {
	receivedAt time.Time // receipt of the newest processed webhook
	caughtUpAt time.Time // the latest time when no record was left
}

// since returns the earliest receipt that the oldest waiting record can have. It came after the newest processed one,
// and after no record was left. It is zero after a start, until the first record.
func (p *progress) since() time.Time {
	if p.caughtUpAt.After(p.receivedAt) {
		return p.caughtUpAt
	}
	return p.receivedAt
}

// inProgress is the receipt of the oldest record that is processed but not committed, of one input of one partition, in
// Unix milliseconds; 0: none. The runner writes it, and the metrics read it at any time.
type inProgress struct {
	working, ending atomic.Int64
}

// start reports that processing of a record begins.
func (h *inProgress) start(receivedAt time.Time) {
	if h.working.Load() == 0 {
		h.working.Store(receivedAt.UnixMilli())
	}
}

// finish reports that the commit of the present records begins; committed, that it succeeded.
func (h *inProgress) finish() {
	h.ending.Store(h.working.Load())
	h.working.Store(0)
}

func (h *inProgress) committed() { h.ending.Store(0) }

func (h *inProgress) since() time.Time {
	for _, ms := range [...]int64{h.ending.Load(), h.working.Load()} { // the records of the commit are older
		if ms != 0 {
			return time.UnixMilli(ms)
		}
	}
	return time.Time{}
}

// lags is the collector of the lag metrics. It computes them when it is scraped, even while a session is blocked or
// between two sessions. mu guards all.
type lags struct {
	now              func() time.Time
	records, seconds *prometheus.Desc

	mu  sync.Mutex
	all map[inputPartition]*lag
}

type lag struct {
	records    int64
	since      time.Time   // zero: unknown, or no record waits
	inProgress *inProgress // nil: no runner processes the partition
}

func newLags(now func() time.Time) *lags {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("coexstream_processor_"+name, help, []string{"topic", "partition"}, nil)
	}
	return &lags{
		now: now, all: map[inputPartition]*lag{},
		records: desc("lag_records", "Unread records of an assigned partition; at least 1 while a record is being processed."),
		seconds: desc("lag_seconds", "Maximum age of the oldest record that is unread or being processed; 0 when all are committed."),
	}
}

// Describe implements prometheus.Collector.
func (l *lags) Describe(ch chan<- *prometheus.Desc) {
	ch <- l.records
	ch <- l.seconds
}

// Collect implements prometheus.Collector.
func (l *lags) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for at, of := range l.all {
		records, since := of.records, of.since
		if of.inProgress != nil {
			if held := of.inProgress.since(); !held.IsZero() {
				records = max(records, 1)
				if since.IsZero() || held.Before(since) {
					since = held
				}
			}
		}
		seconds := 0.0
		if records > 0 && !since.IsZero() {
			seconds = max(now.Sub(since).Seconds(), 0)
		}
		partition := strconv.Itoa(int(at.partition))
		ch <- prometheus.MustNewConstMetric(l.records, prometheus.GaugeValue, float64(records), at.topic.String(), partition)
		ch <- prometheus.MustNewConstMetric(l.seconds, prometheus.GaugeValue, seconds, at.topic.String(), partition)
	}
}

func (l *lags) of(topic schemas.Topic, partition int32) *lag {
	at := inputPartition{topic, partition}
	if l.all[at] == nil {
		l.all[at] = &lag{}
	}
	return l.all[at]
}

// watch begins with a restored runner. It keeps the lag that an earlier session knew.
func (l *lags) watch(r *runner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range schemas.Inputs() {
		of := l.of(t, r.partition)
		of.inProgress = &r.inProgress[t]
		if of.records > 0 {
			r.progress[t].receivedAt = of.since
		}
	}
}

// forget removes the partitions for which kept returns false. Their new owner reports their lag.
func (l *lags) forget(kept func(int32) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := range l.all {
		if !kept(at.partition) {
			delete(l.all, at)
		}
	}
}

// behind sets the lag of an input to the number of unread records in the log. Deferred records are added to it.
func (r *runner) behind(topic schemas.Topic, records int64, now time.Time) {
	var since time.Time
	if records > 0 {
		since = r.progress[topic].since()
	} else {
		r.progress[topic].caughtUpAt = now
	}
	if r.core != nil {
		deferred, oldest := r.core.Lag(topic)
		if records = max(records, 0) + int64(deferred); deferred > 0 && (since.IsZero() || oldest.Before(since)) {
			since = oldest
		}
	}
	l := r.metrics.lags
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.of(topic, r.partition)
	of.records, of.since = max(records, 0), since
}

// ended resets the gauges that only a running session knows. The lag stays.
func (m *metrics) ended() {
	m.largestSource.Reset()
	m.largest.Reset()
	m.requested.Reset()
	for _, g := range []interface{ Set(float64) }{m.partitions, m.held, m.waiting, m.running, m.gaps, m.numbers, m.bulkPaused, m.deferredRecords, m.deferredBytes, m.deferredBusinesses, m.deferredOldest} {
		g.Set(0)
	}
}

// deferredTold is how long a business's records may be deferred before a warning is logged, and how often it is
// repeated.
const deferredTold = time.Minute

// hashed returns the first 12 digits of the SHA-256 of a business's id, for logs.
func hashed(business string) string {
	sum := sha256.Sum256([]byte(business))
	return hex.EncodeToString(sum[:6])
}

// observe sets the gauges from the sizes of all cores. It visits every phone number, so it runs once per tick only.
func (s *session) observe() {
	var held, waiting, running, gaps, numbers, deferred, businesses int
	var deferredBytes int64
	var largest, ofSource partition.Size
	var longest partition.Longest
	requested := map[string]int{}
	for _, r := range s.runners {
		if r == nil {
			continue
		}
		size := r.core.Size()
		held, waiting, running = held+size.Held, waiting+size.Waiting, running+size.Running
		gaps, numbers = gaps+size.Gaps, numbers+size.Numbers
		for status, n := range size.Requested {
			requested[status] += n
		}
		if size.Largest > largest.Largest {
			largest = size
		}
		if size.OfSource > ofSource.OfSource {
			ofSource = size
		}
		deferred, deferredBytes, businesses = deferred+size.Deferred, deferredBytes+size.DeferredBytes, businesses+size.DeferredBusinesses
		if l := size.Longest; l.Records > 0 && (longest.Records == 0 || l.Since.Before(longest.Since)) {
			longest = l
		}
	}
	m := s.p.metrics
	m.held.Set(float64(held))
	m.waiting.Set(float64(waiting))
	m.running.Set(float64(running))
	m.gaps.Set(float64(gaps))
	for _, status := range schemas.SyncStatuses() {
		m.requested.WithLabelValues(status).Set(float64(requested[status]))
	}
	m.numbers.Set(float64(numbers))
	m.largestSource.Reset()
	if ofSource.OfSource > 0 {
		m.largestSource.WithLabelValues(ofSource.Source).Set(float64(ofSource.OfSource))
	}
	m.largest.Reset()
	if largest.Largest > 0 {
		m.largest.WithLabelValues(largest.Business).Set(float64(largest.Largest))
	}
	m.deferredRecords.Set(float64(deferred))
	m.deferredBytes.Set(float64(deferredBytes))
	m.deferredBusinesses.Set(float64(businesses))
	now := s.p.deps.Now()
	age := time.Duration(0)
	if longest.Records > 0 {
		age = max(now.Sub(longest.Since), 0)
	}
	m.deferredOldest.Set(age.Seconds())
	if age > deferredTold && now.Sub(s.waitTold) > deferredTold {
		s.waitTold = now
		s.p.log.Warn("live webhooks of a business are deferred: it sends more bytes than its share while others have live traffic",
			"business_sha256", hashed(longest.Business), "waits", age.Round(time.Second).String(), "records", longest.Records,
			"do", "see docs/operations.md, A business waits its turn")
	}
}
