package processors

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// progress is how far one input of one partition has been worked on, as far as its lag in seconds needs it.
type progress struct {
	receivedAt time.Time // of the newest webhook processed
	caughtUpAt time.Time // when nothing was left, the last time that somebody looked
}

// since is how old the oldest record that waits can be: it came after the newest one that was processed, and after
// nothing was left. Zero where neither is known yet: right after a start, until the first record.
func (p *progress) since() time.Time {
	if p.caughtUpAt.After(p.receivedAt) {
		return p.caughtUpAt
	}
	return p.receivedAt
}

// inProgress is what is worked on of one input of one partition and is not committed: when the oldest of it was received, in Unix
// milliseconds; 0: nothing. The runner writes it; the metrics read it at any time.
type inProgress struct {
	working, ending atomic.Int64
}

// start is for a record with which work begins.
func (h *inProgress) start(receivedAt time.Time) {
	if h.working.Load() == 0 {
		h.working.Store(receivedAt.UnixMilli())
	}
}

// finish is for the end of a transaction that begins, and committed for the one that has come.
func (h *inProgress) finish() {
	h.ending.Store(h.working.Load())
	h.working.Store(0)
}

func (h *inProgress) committed() { h.ending.Store(0) }

func (h *inProgress) since() time.Time {
	for _, ms := range [...]int64{h.ending.Load(), h.working.Load()} { // what is being ended is older
		if ms != 0 {
			return time.UnixMilli(ms)
		}
	}
	return time.Time{}
}

// lags tells how far behind the inputs are, at the moment at which it is asked, also while a session is stuck, or
// between two sessions.
type lags struct {
	now              func() time.Time
	records, seconds *prometheus.Desc

	mu  sync.Mutex
	all map[inputPartition]*lag
}

type lag struct {
	records    int64
	since      time.Time   // zero: not known, or nothing waits
	inProgress *inProgress // nil: nobody works on it
}

func newLags(now func() time.Time) *lags {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("coexstream_processor_"+name, help, []string{"topic", "partition"}, nil)
	}
	return &lags{
		now: now, all: map[inputPartition]*lag{},
		records: desc("lag_records", "Records of an assigned partition that are not read yet; at least 1 while one is being worked on."),
		seconds: desc("lag_seconds", "How old the oldest record can be that is not read yet, or is being worked on; 0 when all is committed."),
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

// watch begins with a partition: what an earlier session knew of it stays.
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

// forget removes what is told of the partitions that are not kept: their new owner tells it from now on.
func (l *lags) forget(kept func(int32) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := range l.all {
		if !kept(at.partition) {
			delete(l.all, at)
		}
	}
}

// behind takes how many records of an input wait in the log. Those that were read and wait for a turn count as well.
func (r *runner) behind(topic schemas.Topic, records int64, now time.Time) {
	var since time.Time
	if records > 0 {
		since = r.progress[topic].since()
	} else {
		r.progress[topic].caughtUpAt = now
	}
	if r.task != nil {
		deferred, oldest := r.task.Lag(topic)
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

// ended is for a session that ended: what it knew of its partitions is not told any more. How far behind they are still is.
func (m *metrics) ended() {
	m.largestSource.Reset()
	m.largest.Reset()
	for _, g := range []interface{ Set(float64) }{m.tasks, m.held, m.waiting, m.running, m.gaps, m.numbers, m.bulkPaused, m.deferredRecords, m.deferredBytes, m.deferredBusinesses, m.deferredOldest} {
		g.Set(0)
	}
}

// deferredTold is how long records of a business wait for a turn before the log says so, and how often it does.
const deferredTold = time.Minute

// hashed names a business where its id may not stand: the first 12 digits of its SHA-256.
func hashed(business string) string {
	sum := sha256.Sum256([]byte(business))
	return hex.EncodeToString(sum[:6])
}

// observe tells what the tasks hold. It looks at every number, so it is called once for each tick, never for
// each transaction.
func (s *session) observe() {
	var held, waiting, running, gaps, numbers, deferred, businesses int
	var deferredBytes int64
	var largest, ofSource task.Size
	var longest task.Longest
	for _, r := range s.runners {
		if r == nil {
			continue
		}
		size := r.task.Size()
		held, waiting, running = held+size.Held, waiting+size.Waiting, running+size.Running
		gaps, numbers = gaps+size.Gaps, numbers+size.Numbers
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
		s.p.log.Warn("live webhooks of a business have been waiting for a turn: it sends more, or longer ones, than its share beside others",
			"business_sha256", hashed(longest.Business), "waits", age.Round(time.Second).String(), "records", longest.Records,
			"do", "see docs/operations.md, A business waits its turn")
	}
}
