package partition

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// LeaveOut makes letters about a record name its place in the raw log instead of containing its body, because
// another letter may contain it. Letters about a rerouted change keep the value, because their places refer to it.
func (o *Origin) LeaveOut() {
	if bytes.IndexByte(o.Label, '#') < 0 {
		o.Value = nil
	}
}

// eventTooLong reports one event by its id. A body may have several such events, so the letters do not contain it:
// the raw log has it.
func (p *Partition) eventTooLong(o *Origin, id schemas.Hash, detail string) {
	of := *o
	of.Value = nil
	p.DeadLetter(&of, schemas.ReasonEventTooLong, detail, Header{schemas.HeaderDLQEvent, id.AppendHex(nil)})
}

// DeadLetter passes on a whole raw record unchanged, with the reason why it, or a part of it, could not be
// processed.
func (p *Partition) DeadLetter(o *Origin, reason schemas.Reason, detail string, more ...Header) {
	p.passed(o.ReceivedAt)
	attempts := 1
	hs := make([]Header, 0, len(o.Headers)+8+len(more))
	for _, h := range o.Headers {
		if h.Key == schemas.HeaderDLQAttempts {
			if n, err := strconv.Atoi(string(h.Value)); err == nil && n > 0 {
				attempts = n + 1
			}
			if reason == schemas.ReasonOutputTooLarge || reason == schemas.ReasonTooManyItems && o.Requeue != nil {
				attempts-- // a part of the body has left, up to the bound of its output
			}
		}
		if !strings.HasPrefix(h.Key, dlqHeaderPrefix) {
			hs = append(hs, h)
		}
	}
	topic, partition, offset := place(o)
	hs = append(hs,
		Header{schemas.HeaderDLQTopic, topic},
		Header{schemas.HeaderDLQPartition, partition},
		Header{schemas.HeaderDLQOffset, offset},
		Header{schemas.HeaderDLQReason, []byte(reason)},
		Header{schemas.HeaderDLQMessage, []byte(detail)},
		Header{schemas.HeaderDLQAttempts, strconv.AppendInt(nil, int64(attempts), 10)},
		Header{schemas.HeaderDLQTime, strconv.AppendInt(nil, p.now.UnixMilli(), 10)},
	)
	hs = append(hs, more...)
	if attempts > schemas.DLQReturnsMax {
		hs = append(hs, Header{schemas.HeaderDLQParked, []byte("true")})
	}
	p.out(Record{Topic: schemas.TopicDLQ, Partition: p.cfg.Partition, Key: o.Key, Value: o.Value, Headers: hs})
	p.counts.DeadLetters[reason]++
	p.counts.Events[schemas.TopicDLQ]++
}

const dlqHeaderPrefix = "__dlq."

// place splits a label topic/partition/offset[#path] into its parts.
func place(o *Origin) (topic, partition, offset []byte) {
	label, _, _ := strings.Cut(string(o.Label), "#")
	parts := strings.Split(label, "/")
	if len(parts) != 3 {
		return []byte(o.Topic.String()), nil, strconv.AppendInt(nil, o.Offset, 10)
	}
	return []byte(parts[0]), []byte(parts[1]), []byte(parts[2])
}
