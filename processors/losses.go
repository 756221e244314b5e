package processors

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// losses reports records of the inputs that are gone before they were read. Their webhooks were answered with 200, and
// no other copy exists. Processing continues with the remaining records.
//
// Removal by retention is detected in three places:
//
//   - At assignment, if the group's committed offset lies before the start of the log.
//   - For raw.bulk, if a fetch fails because its offset is out of range.
//   - For the other inputs, if polled records leave a gap behind the position. Only the part of the gap before the start
//     of the log in that fetch counts.
//
// A gap alone is no loss, because records of aborted transactions are skipped, and rerouted has such records. So a
// removal at runtime is reported with the next record of its partition. A partition has committed offsets from its
// first transaction on, within a tick of its assignment. Earlier removals are not reported, because a new group looks
// the same.
//
// A changed log (kafka.LogFault) is detected at assignment. A session that meets one ends.
//
// mu guards the fields below it. Sessions and restore goroutines call the methods.
type losses struct {
	total  *prometheus.CounterVec // by topic
	read   *prometheus.CounterVec // by topic
	faults *prometheus.CounterVec // by topic and kind
	log    *slog.Logger

	mu sync.Mutex
	// counted is the offset up to which losses were counted. found are the faults that no commit has settled. Both keep
	// a session that restarts before its commit from counting again.
	counted map[inputPartition]int64
	found   map[inputPartition]foundFault
}

type inputPartition struct {
	topic     schemas.Topic
	partition int32
}

type foundFault struct {
	kind         string
	read, unread span
	told         *kafka.LogFault
}

func newLosses(m *metrics, log *slog.Logger) *losses {
	return &losses{total: m.recordsLost, read: m.recordsCut, faults: m.logFaults, log: log, counted: map[inputPartition]int64{}, found: map[inputPartition]foundFault{}}
}

// gone reports that retention removed the records with offsets from from to to, without to.
func (l *losses) gone(topic schemas.Topic, partition int32, from, to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := inputPartition{topic, partition}
	if from = max(from, l.counted[at]); from >= to {
		return
	}
	l.counted[at] = to
	l.total.WithLabelValues(topic.String()).Add(float64(to - from))
	do := "raise topics.raw.retention now (coexstream topics create --update), then see docs/operations.md, Raw records are lost"
	if topic == schemas.TopicRerouted {
		do = "raise topics.rerouted.retention now (coexstream topics create --update), then replay that time from raw.live and raw.bulk; see docs/operations.md, Raw records are lost"
	}
	l.log.Error("retention removed raw records before they were read; continuing with the oldest record in the log",
		"topic", topic.String(), "partition", partition, "from", from, "to", to, "records", to-from, "do", do)
}

// deferredGone reports that a deferred record is gone from the log.
func (l *losses) deferredGone(topic schemas.Topic, partition int32, offset int64) {
	l.total.WithLabelValues(topic.String()).Inc()
	l.log.Error("a deferred record is gone from the log: retention removed it, or the log was cut or created again",
		"topic", topic.String(), "partition", partition, "offset", offset, "do", "see docs/operations.md, A business waits its turn")
}

// fault reports that a log has changed, and returns the value that is committed beside the offsets.
func (l *losses) fault(topic schemas.Topic, partition int32, v *logFinding, now time.Time) *kafka.LogFault {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := inputPartition{topic, partition}
	if f := l.found[at]; f.kind == v.fault && f.read == v.read && f.unread == v.unread {
		return f.told
	}
	told := &kafka.LogFault{Kind: v.fault, Topic: topic.String(), From: v.read.from, To: max(v.read.to, v.unread.to), Found: now}
	if v.read.len() == 0 {
		told.From = v.unread.from
	}
	l.found[at] = foundFault{v.fault, v.read, v.unread, told}
	delete(l.counted, at) // its offsets are used again
	l.faults.WithLabelValues(topic.String(), v.fault).Inc()
	if v.fault == kafka.FaultStateIncomplete {
		l.log.Error("records are missing from the state of a partition; continuing with the remaining state and the emitted events: held history may be gone",
			"topic", topic.String(), "partition", partition, "records", v.read.len(), "do", "see docs/operations.md, A log was cut or created again")
		return told
	}
	if topic == schemas.TopicState {
		l.log.Error("the state of a partition is lost; continuing without it: events may be emitted again, and held history is gone",
			"topic", topic.String(), "partition", partition, "do", "see docs/operations.md, A log was cut or created again")
		return told
	}
	l.read.WithLabelValues(topic.String()).Add(float64(v.read.len()))
	l.total.WithLabelValues(topic.String()).Add(float64(v.unread.len()))
	l.log.Error("the log of an input has changed: "+faultText[v.fault],
		"topic", topic.String(), "partition", partition, "fault", v.fault, "goes_on_at", v.from,
		"read_and_gone", v.read.len(), "never_read", v.unread.len(), "offsets_from", told.From, "offsets_to", told.To,
		"do", "see docs/operations.md, A log was cut or created again")
	return told
}

// settled reports that the group has committed where it continues, for one partition.
func (l *losses) settled(partition int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.found) == 0 {
		return
	}
	for _, t := range [...]schemas.Topic{schemas.TopicRawLive, schemas.TopicRerouted, schemas.TopicRawBulk, schemas.TopicState} {
		delete(l.found, inputPartition{t, partition})
	}
}

var faultText = map[string]string{
	kafka.FaultCut:       "it ends or diverges before the committed offset; records that may be new are read again",
	kafka.FaultRecreated: "the topic was deleted and created again; it is read from its start",
	kafka.FaultForgotten: "the group's committed offset is gone; continuing at the offset that the marks of the partition's other inputs have",
}
