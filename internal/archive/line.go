package archive

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"
)

// AppendLine appends a record as a line of JSON, with the line end:
//
//	{"offset":7,"timestamp":1700000000000,"key":"…","headers":[{"key":"…","value":"…"}],"value":"…"}
//
// The timestamp is in milliseconds. Texts are the bytes of the record where they are UTF-8. Where they are not, the member is
// key_base64 or value_base64. A member that is absent was null: a tombstone has no value.
func AppendLine(dst []byte, r *kgo.Record) ([]byte, error) {
	var err error
	dst = append(dst, `{"offset":`...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10)
	if dst, err = appendMember(dst, `,"key`, r.Key); err != nil {
		return nil, err
	}
	dst = append(dst, `,"headers":[`...)
	for i := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendMember(dst, `{"key`, append([]byte{}, r.Headers[i].Key...)); err != nil {
			return nil, err
		}
		if dst, err = appendMember(dst, `,"value`, r.Headers[i].Value); err != nil {
			return nil, err
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if dst, err = appendMember(dst, `,"value`, r.Value); err != nil {
		return nil, err
	}
	return append(dst, '}', '\n'), nil
}

// appendMember appends a member, whose name lacks its last quote. null appends nothing.
func appendMember(dst []byte, name string, value []byte) ([]byte, error) {
	if value == nil {
		return dst, nil
	}
	dst = append(dst, name...)
	if utf8.Valid(value) {
		return jsontext.AppendQuote(append(dst, '"', ':'), value)
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return append(append(dst, `_base64":`...), quoted...), nil
}

type line struct {
	Offset    int64      `json:"offset"`
	Timestamp int64      `json:"timestamp"`
	Key       *string    `json:"key"`
	Key64     []byte     `json:"key_base64"`
	Headers   []lineItem `json:"headers"`
	Value     *string    `json:"value"`
	Value64   []byte     `json:"value_base64"`
}

type lineItem struct {
	Key     *string `json:"key"`
	Key64   []byte  `json:"key_base64"`
	Value   *string `json:"value"`
	Value64 []byte  `json:"value_base64"`
}

// parseLine reads a line into a record, which keeps nothing of it.
func parseLine(b []byte, r *kgo.Record) error {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("%w: line: %w", ErrCorrupt, err)
	}
	r.Offset, r.Timestamp = l.Offset, time.UnixMilli(l.Timestamp)
	r.Key, r.Value = bytesOf(l.Key, l.Key64), bytesOf(l.Value, l.Value64)
	r.Headers = make([]kgo.RecordHeader, 0, len(l.Headers))
	for _, h := range l.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(bytesOf(h.Key, h.Key64)), Value: bytesOf(h.Value, h.Value64)})
	}
	return nil
}

func bytesOf(text *string, binary []byte) []byte {
	if text != nil {
		return append([]byte{}, *text...)
	}
	return binary
}
