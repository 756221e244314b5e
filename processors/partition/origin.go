package partition

import (
	"bytes"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Origin is a raw record: its place in the log, and the values of its headers.
type Origin struct {
	Topic  schemas.Topic
	Offset int64
	// Label is topic/partition/offset of the record that the ingress wrote.
	Label      []byte
	ReceivedAt time.Time
	Received   []byte // the text of ReceivedAt in the record's header; nil: there is none
	Source     []byte // name of the source that received it; empty: not recorded

	TraceParent, TraceState []byte

	// Replay is set for a record that a replay wrote.
	Replay *Replay
	// Requeue is set for a dead letter that is processed again.
	Requeue *Requeue
	// WABA is the WABA of a number that the body, or the record's key, names without one.
	WABA []byte
	// Moved is set for a record that another partition or a replay passed on, after the WABA of its number became
	// known.
	Moved bool
	// Unnamed is set for a note about a number that no live webhook has named.
	Unnamed bool

	// Key, Value and Headers are the unchanged record, for `dlq` and `rerouted`.
	Key, Value []byte
	Headers    []Header
}

// live reports whether the webhook came by raw.live, which is read soon after it was written.
func (o *Origin) live() bool { return bytes.HasPrefix(o.Label, liveLane) && !o.Moved }

// named returns the time of the receipt if the webhook came by raw.live, and zero otherwise.
func (o *Origin) named() time.Time {
	if o.live() {
		return o.ReceivedAt
	}
	return time.Time{}
}

var liveLane = []byte(schemas.TopicRawLive.String() + "/")
