package partition

import (
	"github.com/coexstream/coexstream/schemas"
)

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is a record to be produced.
type Record struct {
	Topic      schemas.Topic
	Partition  int32
	Key, Value []byte // a nil value is a tombstone
	Headers    []Header
}

// Output receives the records that a partition emits. A record and all it refers to stay valid until the workspace
// is reset.
type Output func(Record)
