package processors

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/partition"
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
	deferred      *prometheus.CounterVec // by reason
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
	damaged       *prometheus.GaugeVec // by topic
	setAside      prometheus.Counter
	committedAt   prometheus.Gauge
	partitions    assignedGauge
	held          prometheus.Gauge
	waiting       prometheus.Gauge
	running       prometheus.Gauge
	gaps          prometheus.Gauge
	gapsFound     prometheus.Counter
	requested     *prometheus.GaugeVec // by status
	numbers       prometheus.Gauge
	largest       *prometheus.GaugeVec // by a hash of the WABA id; it has one business at a time
	largestSource *prometheus.GaugeVec
	restarts      prometheus.Counter
	restoring     prometheus.Gauge
	rebalances    prometheus.Counter
	bulkPaused    prometheus.Gauge

	deferredRecords, deferredBytes, deferredBusinesses, deferredOldest prometheus.Gauge
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
		recordsLost: counter("records_lost_total", "Raw records that were gone from the log before they were read: retention removed them, or the log was cut or created again.", "topic"),
		recordsCut:  counter("read_records_gone_total", "Offsets of processed raw records that are gone, because a log was cut or created again. A replay lacks them.", "topic"),
		logFaults:   counter("log_faults_total", "Partitions whose log has changed: cut, recreated, forgotten (the committed offset is gone), state_lost, state_incomplete (records of the state are missing).", "topic", "fault"),
		recordBytes: counter("record_bytes_total", "Bytes of raw records read.", "topic"),
		events:      counter("events_total", "Events of committed transactions.", "topic"),
		duplicates:  counter("duplicates_total", "Duplicates that were dropped, in committed transactions.", "kind"),
		deadLetters: counter("dead_letters_total", "Dead letters of committed transactions.", "reason"),
		deferred:    counter("deferred_records_total", "Live records that were deferred: a long body, a business over its share of a transaction, or a record behind another deferred one.", "reason"),
		refetches:   counter("refetches_total", "Reads of held chunks: from memory, found in the log, gone from the log, failed.", "outcome"),
		joined:      counter("joined_bodies_total", "Bodies in segments that were joined (whole), or could not be (broken).", "outcome"),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "replayed_records_total",
			Help: "Records of replays read, committed or not."}),
		requeued: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "requeued_records_total",
			Help: "Requeued dead letters read, committed or not."}),
		replaying:    gauge("replaying_partitions", "Assigned partitions with a running replay."),
		transactions: counter("transactions_total", "Transactions ended.", "outcome"),
		txnSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: "transaction_seconds",
			Help: "Duration of a transaction, from its begin to its end.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}),
		restores: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: "restore_seconds",
			Help: "Time to rebuild the state of one partition.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)}),
		restored: counter("restored_records_total", "Records read to rebuild state.", "topic"),
		lags:     newLags(now),
		blocked:  gauge("blocked_partitions", "Assigned partitions that are not served, because a state record cannot be read, or a batch is damaged."),
		damaged:  gauges("damaged_batches", "Damaged batches of logs that assigned partitions wait for.", "topic"),
		setAside: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "state_records_set_aside_total",
			Help: "Unreadable state records that were ignored (processor.unknown_state)."}),
		committedAt: gauge("last_commit_timestamp_seconds", "Unix time of the latest committed transaction; 0: none since the start."),
		partitions: assignedGauge{
			gauge("partitions", "Assigned partitions."),
			gauge("tasks", "Former name of coexstream_processor_partitions. The next release removes it."),
		},
		held:    gauge("held_chunks", "History chunks that wait for an earlier chunk."),
		waiting: gauge("waiting_syncs", "Phone numbers with held history chunks, because an earlier chunk is missing."),
		running: gauge("running_syncs", "Phone numbers with an open history sync."),
		gaps:    gauge("sync_gaps", "Gaps of history syncs that were abandoned or lost, and not filled later."),
		gapsFound: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "sync_gaps_total",
			Help: "Gaps of history syncs in committed transactions: chunks that were abandoned or lost. Replays do not count."}),
		restoring:     gauge("restoring_partitions", "Assigned partitions whose state is being rebuilt. They are not served meanwhile."),
		requested:     gauges("requested_syncs", "Phone numbers with a sync that the desk requested, by the status of the sync.", "status"),
		numbers:       gauge("numbers", "Phone numbers known."),
		largestSource: gauges("largest_source_numbers", "Phone numbers first named by one source, for the source with the most in one partition.", "source"),
		largest:       gauges("largest_business_numbers", "Known phone numbers of the business with the most of them, by a hash of its WABA id.", "business"),
		restarts:      prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "session_restarts_total", Help: "Sessions that ended with an error and were restarted."}),
		rebalances: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "rebalances_total",
			Help: "Times that partitions were revoked. The state of newly assigned ones is rebuilt."}),
		bulkPaused:         gauge("bulk_paused", "1 while bulk is paused, because the live lag exceeds its limit."),
		deferredRecords:    gauge("deferred_records", "Deferred records that wait to be processed."),
		deferredBytes:      gauge("deferred_bytes", "Bytes of the deferred records, as they are in the log."),
		deferredBusinesses: gauge("deferred_businesses", "Businesses with deferred records."),
		deferredOldest:     gauge("deferred_oldest_seconds", "Seconds since the oldest deferred record was received; 0: none is deferred."),
	}
	reg.MustRegister(m.records, m.recordsLost, m.recordsCut, m.logFaults, m.recordBytes, m.events, m.duplicates, m.deadLetters, m.refetches, m.joined, m.replayed, m.requeued, m.replaying, m.transactions, m.txnSeconds,
		m.restores, m.restored, m.lags, m.blocked, m.damaged, m.setAside, m.committedAt,
		m.partitions[0], m.partitions[1], m.held, m.waiting, m.running, m.gaps, m.gapsFound, m.restoring, m.requested, m.numbers, m.largest, m.largestSource, m.restarts, m.rebalances, m.bulkPaused,
		m.deferred, m.deferredRecords, m.deferredBytes, m.deferredBusinesses, m.deferredOldest)
	m.begin()
	return m
}

// stalled registers the gauge of the longest time without progress. It is computed when it is scraped.
func (m *metrics) stalled(reg prometheus.Registerer, h *health) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "coexstream", Subsystem: "processor", Name: "stalled_seconds",
		Help: "Longest time for which records of a partition have waited without progress; 0: none wait.",
	}, func() float64 { return h.stalled().Seconds() }))
}

// begin initialises the counters of alerts with 0. Prometheus sees no increase when a counter appears with its first
// value, so the first dead letter of a reason would go unnoticed.
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
	for why := deferred.None + 1; why < deferred.ReasonCount; why++ {
		m.deferred.WithLabelValues(why.String())
	}
	for counter, outcomes := range map[*prometheus.CounterVec][]string{
		m.refetches: {"memory", "found", "gone", "failed"}, m.joined: {"whole", "broken"}, m.transactions: {"committed", "aborted", "failed", "unknown"},
	} {
		for _, outcome := range outcomes {
			counter.WithLabelValues(outcome)
		}
	}
}

// read counts records and bytes that were read from a topic.
func (m *metrics) read(topic schemas.Topic, records, bytes int) {
	m.records.WithLabelValues(topic.String()).Add(float64(records))
	m.recordBytes.WithLabelValues(topic.String()).Add(float64(bytes))
}

// committed adds the counts of a core in a committed transaction.
func (m *metrics) committed(c *partition.Counts) {
	for t, n := range c.Events {
		if n > 0 {
			m.events.WithLabelValues(schemas.Topic(t).String()).Add(float64(n))
		}
	}
	for k, n := range c.Duplicates {
		if n > 0 {
			m.duplicates.WithLabelValues(partition.Kind(k).String()).Add(float64(n))
		}
	}
	for why, n := range c.Deferred {
		if n > 0 {
			m.deferred.WithLabelValues(deferred.Reason(why).String()).Add(float64(n))
		}
	}
	m.gapsFound.Add(float64(c.Gaps))
	for r, n := range c.DeadLetters {
		m.deadLetters.WithLabelValues(string(r)).Add(float64(n))
	}
}

// assignedGauge is one gauge under its name and its former one.
type assignedGauge [2]prometheus.Gauge

// Set sets both.
func (g assignedGauge) Set(partitions float64) {
	for _, one := range g {
		one.Set(partitions)
	}
}
