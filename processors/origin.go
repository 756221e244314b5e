package processors

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// origin returns the place of a raw record and the values of its headers.
func (r *runner) origin(topic schemas.Topic, rec *kgo.Record) *partition.Origin {
	o := &partition.Origin{Topic: topic, Offset: rec.Offset, Key: rec.Key, Value: rec.Value, ReceivedAt: rec.Timestamp}
	o.Headers = make([]partition.Header, 0, len(rec.Headers))
	for _, h := range rec.Headers {
		o.Headers = append(o.Headers, partition.Header(h))
		switch h.Key {
		case schemas.HeaderReceivedAt:
			if ms, err := strconv.ParseInt(string(h.Value), 10, 64); err == nil {
				o.ReceivedAt, o.Received = time.UnixMilli(ms), h.Value
			}
		case schemas.HeaderSource:
			o.Source = h.Value
		case schemas.HeaderTraceParent:
			o.TraceParent = h.Value
		case schemas.HeaderTraceState:
			o.TraceState = h.Value
		case schemas.HeaderOrigin:
			o.Label = h.Value // rerouted and replayed records name their origin
		case schemas.HeaderWABA:
			o.WABA = h.Value
		case schemas.HeaderRerouted:
			o.Moved = topic == schemas.TopicRerouted && string(h.Value) == schemas.ReroutedMoved
			o.Unnamed = string(h.Value) == schemas.ReroutedKnown
		case schemas.HeaderRequeue:
			requeue(o).Letter = h.Value
		case schemas.HeaderReplay:
			replay(o).ID = h.Value
		case schemas.HeaderReplayState:
			replay(o).Own = string(h.Value) == schemas.StateOwn
		case schemas.HeaderReplayRole:
			replay(o).Extra, replay(o).End = string(h.Value) == schemas.RoleExtra, string(h.Value) == schemas.RoleEnd
			o.Moved = o.Moved || string(h.Value) == schemas.RoleMoved
		}
	}
	if o.Replay != nil {
		o.Replay.Seen = r.now()
	}
	if o.Requeue != nil {
		o.Requeue.Event = string(header(rec, schemas.HeaderDLQEvent))
		o.Requeue.Changes = string(header(rec, schemas.HeaderDLQChanges))
		o.Requeue.Places = string(header(rec, schemas.HeaderDLQPlaces))
	}
	if o.Label == nil {
		label := append(make([]byte, 0, 40), topic.String()...)
		label = append(label, '/')
		label = strconv.AppendInt(label, int64(rec.Partition), 10)
		label = append(label, '/')
		o.Label = strconv.AppendInt(label, rec.Offset, 10)
	}
	return o
}

// replay returns the replay values of an origin, and creates them if needed.
func replay(o *partition.Origin) *partition.Replay {
	if o.Replay == nil {
		o.Replay = &partition.Replay{}
	}
	return o.Replay
}

// requeue returns the requeue values of an origin, and creates them if needed.
func requeue(o *partition.Origin) *partition.Requeue {
	if o.Requeue == nil {
		o.Requeue = &partition.Requeue{}
	}
	return o.Requeue
}

// header returns the value of a header; nil if the record lacks it.
func header(rec *kgo.Record, key string) []byte {
	for i := range rec.Headers {
		if rec.Headers[i].Key == key {
			return rec.Headers[i].Value
		}
	}
	return nil
}
