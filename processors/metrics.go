package processors

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

type metrics struct {
	records       *prometheus.CounterVec // by topic
	recordsLost   *prometheus.CounterVec // by topic
	recordsCut    *prometheus.CounterVec // by topic
	logFaults     *prometheus.CounterVec // by topic and fault
	recordBytes   *prometheus.CounterVec // by topic
	events        *prometheus.CounterVec // by topic
	duplicates    *prometheus.CounterVec // by kind
	deadLetters   *prometheus.CounterVec // by reason
	refetches     *prometheus.CounterVec // by outcome
	joined        *prometheus.CounterVec // by outcome
	replayed      prometheus.Counter
	requeued      prometheus.Counter
	replaying     prometheus.Gauge
	transactions  *prometheus.CounterVec // by outcome
	txnSeconds    prometheus.Histogram
	restores      prometheus.Histogram
	restored      *prometheus.CounterVec // by topic
	lags          *lags
	blocked       prometheus.Gauge
	setAside      prometheus.Counter
	committedAt   prometheus.Gauge
	tasks         prometheus.Gauge
	held          prometheus.Gauge
	waiting       prometheus.Gauge
	running       prometheus.Gauge
	gaps          prometheus.Gauge
	numbers       prometheus.Gauge
	largest       *prometheus.GaugeVec // by a hash of the WABA: of one business at a time
	largestSource *prometheus.GaugeVec
	restarts      prometheus.Counter
	rebalances    prometheus.Counter
	bulkPaused    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, now func() time.Time) *metrics {
	const ns, sub = "coexstream", "processor"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help}, labels)
	}
	m := &metrics{
		records:     counter("records_total", "Raw records read, committed or not.", "topic"),
		recordsLost: counter("records_lost_total", "Raw records that are gone from the log before they were read: retention removed them, or the log was cut or made again.", "topic"),
		recordsCut:  counter("read_records_gone_total", "Offsets of raw records that were processed and are gone from a log that was cut or made again: a replay lacks them.", "topic"),
		logFaults:   counter("log_faults_total", "Partitions with a changed log: cut, recreated, forgotten (the committed offset is gone), state_lost, state_incomplete (records of it are missing).", "topic", "fault"),
		recordBytes: counter("record_bytes_total", "Bytes of raw records read.", "topic"),
		events:      counter("events_total", "Events of committed transactions.", "topic"),
		duplicates:  counter("duplicates_total", "Duplicates that were dropped, in committed transactions.", "kind"),
		deadLetters: counter("dead_letters_total", "Dead letters of committed transactions.", "reason"),
		refetches:   counter("refetches_total", "Held chunks that were needed again: kept in memory, found in the log, gone from it, failed to be read.", "outcome"),
		joined:      counter("joined_bodies_total", "Bodies in segments that were put together, or could not be.", "outcome"),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "replayed_records_total",
			Help: "Records read that a replay wrote, committed or not."}),
		requeued: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "requeued_records_total",
			Help: "Dead letters that were read again, committed or not."}),
		replaying:    gauge("replaying_partitions", "Assigned partitions with a running replay."),
		transactions: counter("transactions_total", "Transactions ended.", "outcome"),
		txnSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: "transaction_seconds",
			Help: "From the begin to the end of a transaction.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}),
		restores: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: "restore_seconds",
			Help: "Time to rebuild the state of one partition.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)}),
		restored: counter("restored_records_total", "Records read to rebuild state.", "topic"),
		lags:     newLags(now),
		blocked:  gauge("blocked_partitions", "Assigned partitions that are not served, for a record of their state cannot be read."),
		setAside: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "state_records_set_aside_total",
			Help: "Records of the state that could not be read and were left out (processor.unknown_state)."}),
		committedAt:   gauge("last_commit_timestamp_seconds", "When a transaction was committed the last time, Unix time; 0: none since the start."),
		tasks:         gauge("tasks", "Assigned partitions."),
		held:          gauge("held_chunks", "History chunks that wait for an earlier one."),
		waiting:       gauge("waiting_syncs", "Numbers that hold history chunks, because an earlier one is missing."),
		running:       gauge("running_syncs", "Numbers whose history sync is open."),
		gaps:          gauge("sync_gaps", "Gaps of history syncs that were given up or lost, and not filled since."),
		numbers:       gauge("numbers", "Phone numbers known."),
		largestSource: gauges("largest_source_numbers", "Phone numbers that the source told of first which told of the most in one partition.", "source"),
		largest:       gauges("largest_business_numbers", "Phone numbers known of the business with the most of them, by a hash of its WABA id.", "business"),
		restarts:      prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "session_restarts_total", Help: "Sessions that ended with an error and were begun again."}),
		rebalances: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "rebalances_total",
			Help: "Times that partitions were revoked. The state of newly assigned ones is rebuilt."}),
		bulkPaused: gauge("bulk_paused", "1 while bulk waits, because live has a backlog."),
	}
	reg.MustRegister(m.records, m.recordsLost, m.recordsCut, m.logFaults, m.recordBytes, m.events, m.duplicates, m.deadLetters, m.refetches, m.joined, m.replayed, m.requeued, m.replaying, m.transactions, m.txnSeconds,
		m.restores, m.restored, m.lags, m.blocked, m.setAside, m.committedAt,
		m.tasks, m.held, m.waiting, m.running, m.gaps, m.numbers, m.largest, m.largestSource, m.restarts, m.rebalances, m.bulkPaused)
	m.begin()
	return m
}

// stalled registers for how long nothing gets on, told at the moment at which it is asked.
func (m *metrics) stalled(reg prometheus.Registerer, h *health) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "coexstream", Subsystem: "processor", Name: "stalled_seconds",
		Help: "Longest time for which records of a partition wait without a commit that makes progress; 0: none wait.",
	}, func() float64 { return h.stalled().Seconds() }))
}

// begin lets the counters that alerts look at begin with 0: an increase from nothing is none to Prometheus, and the first
// dead letter of a reason would go unnoticed.
func (m *metrics) begin() {
	for _, t := range schemas.Inputs() {
		m.recordsLost.WithLabelValues(t.String())
		m.recordsCut.WithLabelValues(t.String())
		for _, fault := range []string{kafka.FaultCut, kafka.FaultRecreated, kafka.FaultForgotten} {
			m.logFaults.WithLabelValues(t.String(), fault)
		}
	}
	m.logFaults.WithLabelValues(schemas.TopicState.String(), kafka.FaultStateLost)
	m.logFaults.WithLabelValues(schemas.TopicState.String(), kafka.FaultStateIncomplete)
	for _, reason := range schemas.Reasons() {
		m.deadLetters.WithLabelValues(string(reason))
	}
	for counter, outcomes := range map[*prometheus.CounterVec][]string{
		m.refetches: {"memory", "found", "gone", "failed"}, m.joined: {"whole", "broken"}, m.transactions: {"committed", "aborted", "failed", "unknown"},
	} {
		for _, outcome := range outcomes {
			counter.WithLabelValues(outcome)
		}
	}
}

// read adds what was read of a topic.
func (m *metrics) read(topic schemas.Topic, records, bytes int) {
	m.records.WithLabelValues(topic.String()).Add(float64(records))
	m.recordBytes.WithLabelValues(topic.String()).Add(float64(bytes))
}

// committed adds what a task counted in a transaction that was committed.
func (m *metrics) committed(c *task.Counts) {
	for t, n := range c.Events {
		if n > 0 {
			m.events.WithLabelValues(schemas.Topic(t).String()).Add(float64(n))
		}
	}
	for k, n := range c.Duplicates {
		if n > 0 {
			m.duplicates.WithLabelValues(task.Kind(k).String()).Add(float64(n))
		}
	}
	for r, n := range c.DeadLetters {
		m.deadLetters.WithLabelValues(string(r)).Add(float64(n))
	}
}
