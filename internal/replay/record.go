package replay

import (
	"strconv"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Lane is one partition of one raw topic.
type Lane struct {
	Topic     schemas.Topic
	Partition int32
}

// String is topic/partition, without the prefix.
func (l Lane) String() string { return l.Topic.String() + "/" + strconv.Itoa(int(l.Partition)) }

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is a raw record.
type Record struct {
	Lane       Lane
	Offset     int64
	Time       time.Time // the record's timestamp
	Key, Value []byte
	Headers    []Header
}

// Header is the value of the first header of a name, nil when there is none.
func (r *Record) Header(name string) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			return r.Headers[i].Value
		}
	}
	return nil
}

// ReceivedAt is when the webhook came.
func (r *Record) ReceivedAt() time.Time {
	if ms, err := strconv.ParseInt(string(r.Header(schemas.HeaderReceivedAt)), 10, 64); err == nil {
		return time.UnixMilli(ms)
	}
	return r.Time
}

// Origin is topic/partition/offset of the record that the ingress wrote.
func (r *Record) Origin() []byte {
	if o := r.Header(schemas.HeaderOrigin); o != nil {
		return o
	}
	b := append(make([]byte, 0, 40), r.Lane.String()...)
	return strconv.AppendInt(append(b, '/'), r.Offset, 10)
}

// Hops is how many replays the record went through.
func (r *Record) Hops() int {
	n, err := strconv.Atoi(string(r.Header(schemas.HeaderReplayHops)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
