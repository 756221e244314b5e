package processors

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// losses tells of records of the inputs that retention removed before they were read: webhooks that were answered
// with 200, and that nobody has any more. Processing goes on with what is left.
//
// It is known in three places: at assignment, where the group's committed offset lies before the start of the log; for
// raw.bulk when a fetch is refused; and for the others when what is polled does not go on where the last poll ended.
// A hole alone means nothing there: records of an aborted transaction are left out, and rerouted has those. Only what
// lies before the start of the log, as the fetch told it, was removed. So what is removed while a processor runs is told
// with the next record of its partition. A partition has committed offsets from its first transaction on, within a tick of
// its assignment, whether there was anything to read or not; what was removed before is not told, since a group that is new
// looks the same.
type losses struct {
	total *prometheus.CounterVec // by topic
	log   *slog.Logger
	// told is up to where records are counted, so that a session that begins again before it commits does not count
	// them again.
	told map[inputPartition]int64
}

type inputPartition struct {
	topic     schemas.Topic
	partition int32
}

func newLosses(total *prometheus.CounterVec, log *slog.Logger) *losses {
	return &losses{total: total, log: log, told: map[inputPartition]int64{}}
}

// gone takes that the records from an offset up to without another one were removed.
func (l *losses) gone(topic schemas.Topic, partition int32, from, to int64) {
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
