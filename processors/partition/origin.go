package partition

import (
	"bytes"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Origin is a raw record: where it stands, and what its headers tell.
type Origin struct {
	Topic  schemas.Topic
	Offset int64
	// Label is topic/partition/offset of the record that the ingress wrote.
	Label      []byte
	ReceivedAt time.Time
	Received   []byte // ReceivedAt as the record's header has it; nil where it has none
	Source     []byte // name of the source that took it; empty where the record does not say

	TraceParent, TraceState []byte

	// Replay is set on what a replay wrote.
	Replay *Replay
	// Requeue is set on a dead letter that is tried again.
	Requeue *Requeue
	// WABA is that of the number that the body, or the record's key, names alone.
	WABA []byte
	// Moved is set on what another partition, or a replay, passed on of a number that was known without its WABA.
	Moved bool
	// Unnamed is set on the note about a number that no live webhook named.
	Unnamed bool

	// Key, Value and Headers are the record as it is, for `dlq` and `rerouted`.
	Key, Value []byte
	Headers    []Header
}

// live tells whether the webhook came by the live lane, which is read soon after it was written.
func (o *Origin) live() bool { return bytes.HasPrefix(o.Label, liveLane) && !o.Moved }

// named is when the webhook was received where it came by the live lane, else zero.
func (o *Origin) named() time.Time {
	if o.live() {
		return o.ReceivedAt
	}
	return time.Time{}
}

var liveLane = []byte(schemas.TopicRawLive.String() + "/")
