package handover

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/schemas"
)

// spoolRecordVersion is the first byte of every record in the spool.
const spoolRecordVersion = 1

// appendRecord encodes a record for the spool, without its topic (the lane has it) and its time (the frame has it).
// Headers and value are kept as they are, so that Kafka later gets the same record.
func appendRecord(dst []byte, r *raw.Record) []byte {
	field := func(b []byte) {
		dst = append(binary.AppendUvarint(dst, uint64(len(b))), b...)
	}
	dst = append(dst, spoolRecordVersion)
	field(r.Key)
	field(r.Partitioning)
	dst = binary.AppendUvarint(dst, uint64(len(r.Headers)))
	for i := range r.Headers {
		dst = binary.AppendUvarint(dst, uint64(len(r.Headers[i].Key)))
		dst = append(dst, r.Headers[i].Key...)
		field(r.Headers[i].Value)
	}
	return append(dst, r.Value...)
}

var errSpoolRecord = errors.New("not a record of this version's spool")

// readRecord decodes a record. The record refers to b.
func readRecord(topic schemas.Topic, at time.Time, b []byte) (*raw.Record, error) {
	if len(b) == 0 || b[0] != spoolRecordVersion {
		return nil, errSpoolRecord
	}
	b = b[1:]
	good := true
	number := func() int {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			good = false
			return 0
		}
		b = b[used:]
		return int(n)
	}
	field := func() []byte {
		n := number()
		f := b[:n:n]
		b = b[n:]
		return f
	}
	r := &raw.Record{Topic: topic, Time: at, Key: field(), Partitioning: field()}
	for n := number(); n > 0 && good; n-- {
		r.Headers = append(r.Headers, raw.Header{Key: string(field()), Value: field()})
	}
	if !good {
		return nil, errSpoolRecord
	}
	r.Value = b
	return r, nil
}
