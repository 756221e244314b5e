package processors

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// losses tells of records of the inputs that are gone before they were read: webhooks that were answered with 200, and
// that nobody has any more. Processing goes on with what is left.
//
// What retention removed is known in three places: at assignment, where the group's committed offset lies before the start
// of the log; for raw.bulk when a fetch is refused; and for the others when what is polled does not go on where the last
// poll ended. A hole alone means nothing there: records of an aborted transaction are left out, and rerouted has those.
// Only what lies before the start of the log, as the fetch told it, was removed. So what is removed while a processor runs
// is told with the next record of its partition. A partition has committed offsets from its first transaction on, within a
// tick of its assignment, whether there was anything to read or not; what was removed before is not told, since a group
// that is new looks the same.
//
// A log that was cut or created again (kafka.LogFault) is known at assignment, and a session ends when it meets one.
type losses struct {
	total  *prometheus.CounterVec // by topic
	read   *prometheus.CounterVec // by topic
	faults *prometheus.CounterVec // by topic and kind
	log    *slog.Logger

	mu sync.Mutex
	// told is up to where records are counted, so that a session that begins again before it commits does not count
	// them again; found are the faults that no commit has settled, for the same reason.
	told  map[inputPartition]int64
	found map[inputPartition]foundFault
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
	return &losses{total: m.recordsLost, read: m.recordsCut, faults: m.logFaults, log: log, told: map[inputPartition]int64{}, found: map[inputPartition]foundFault{}}
}

// gone takes that the records from an offset up to without another one were removed.
func (l *losses) gone(topic schemas.Topic, partition int32, from, to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := inputPartition{topic, partition}
	if from = max(from, l.told[at]); from >= to {
		return
	}
	l.told[at] = to
	l.total.WithLabelValues(topic.String()).Add(float64(to - from))
	do := "raise topics.raw.retention now (coexstream topics create --update), then see docs/operations.md, Raw records are lost"
	if topic == schemas.TopicRerouted {
		do = "raise topics.rerouted.retention now (coexstream topics create --update), then replay that time: the bodies are in raw.live and raw.bulk still; see docs/operations.md, Raw records are lost"
	}
	l.log.Error("retention removed raw records before they were read; going on with the oldest that is left",
		"topic", topic.String(), "partition", partition, "from", from, "to", to, "records", to-from, "do", do)
}

// fault notes that a log was cut or created again, and returns its report beside the committed offsets.
func (l *losses) fault(topic schemas.Topic, partition int32, v *verdict, now time.Time) *kafka.LogFault {
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
	delete(l.told, at) // its offsets are used again
	l.faults.WithLabelValues(topic.String(), v.fault).Inc()
	if v.fault == kafka.FaultStateIncomplete {
		l.log.Error("records are missing from the state of a partition; going on with what is there and what left: history that waited for an earlier chunk may be gone",
			"topic", topic.String(), "partition", partition, "records", v.read.len(), "do", "see docs/operations.md, A log was cut or created again")
		return told
	}
	if topic == schemas.TopicState {
		l.log.Error("the state of a partition is lost; going on without: what was seen before may come out again, and history that waited for an earlier chunk is gone",
			"topic", topic.String(), "partition", partition, "do", "see docs/operations.md, A log was cut or created again")
		return told
	}
	l.read.WithLabelValues(topic.String()).Add(float64(v.read.len()))
	l.total.WithLabelValues(topic.String()).Add(float64(v.unread.len()))
	l.log.Error("an input's log is not the one that was read: "+faultText[v.fault],
		"topic", topic.String(), "partition", partition, "fault", v.fault, "goes_on_at", v.from,
		"read_and_gone", v.read.len(), "never_read", v.unread.len(), "offsets_from", told.From, "offsets_to", told.To,
		"do", "see docs/operations.md, A log was cut or created again")
	return told
}

// settled says that the group committed where it goes on.
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
	kafka.FaultCut:       "it ends, or parts from what was read, before the committed offset; what may be new is read again",
	kafka.FaultRecreated: "the topic was deleted and made again; it is read from its start",
	kafka.FaultForgotten: "the group's committed offset is gone; going on where the partition's other inputs say it was",
}
