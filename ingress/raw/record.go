package raw

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Record is a record for one of the raw topics.
type Record struct {
	Topic schemas.Topic // raw.live or raw.bulk
	Key   []byte        // WABA id; empty: the record has no key
	// Partitioning replaces an empty Key when the partition is computed. It may be empty, too.
	Partitioning []byte
	Value        []byte // the exact body
	Headers      []Header
	Time         time.Time // when the request arrived
}

// Bytes estimates the length of the record in a batch.
func (r *Record) Bytes() int {
	const framing = 24 // lengths, timestamp and offset deltas, at their longest
	n := framing + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += 4 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// PartitionKey returns the bytes that the partitioner hashes.
func (r *Record) PartitionKey() []byte {
	if len(r.Key) == 0 {
		return r.Partitioning
	}
	return r.Key
}

// Header is a header of a record.
type Header struct {
	Key   string
	Value []byte
}
