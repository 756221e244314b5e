package receiver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Version is that of the file's format.
const Version = 1

// Line is a line of the file: a start of the receiver, or a request and its answer.
type Line struct {
	Start   *Start   `json:"start,omitzero"`
	Request *Request `json:"request,omitzero"`
}

// Start is written when the receiver starts.
type Start struct {
	Version  int    `json:"version"`
	Endpoint string `json:"endpoint"`
	Format   string `json:"format"`
	AtMS     int64  `json:"at_ms"`
}

// Request is a request and its answer.
type Request struct {
	AtMS       int64  `json:"at_ms"`      // when the answer was decided, Unix milliseconds
	Connection int64  `json:"connection"` // number since the start. A later request on it proves that the answer arrived
	WebhookID  string `json:"webhook_id,omitzero"`
	WABA       string `json:"waba,omitzero"`
	Status     int    `json:"status"` // 0: none was given
	Why        string `json:"why,omitzero"`
	// Body is that of a request with a 200, and BodyBase64 one that is not UTF-8.
	Body       *string `json:"body,omitzero"`
	BodyBase64 []byte  `json:"body_base64,omitzero"`
}

// Bytes is the body.
func (r *Request) Bytes() []byte {
	if r.Body != nil {
		return []byte(*r.Body)
	}
	return r.BodyBase64
}

func (r *Request) setBody(b []byte) {
	if !utf8.Valid(b) {
		r.BodyBase64 = b
		return
	}
	text := string(b)
	r.Body = &text
}

// Read calls visit for the lines of a file up to a length. It returns the length of the whole lines. A last line without its end is
// left out: the receiver was killed while it wrote.
func Read(r io.Reader, visit func(*Line) error) (length int64, err error) {
	br := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		text, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return length, nil
		}
		if err != nil {
			return length, err
		}
		l := &Line{}
		if err := json.Unmarshal(bytes.TrimSpace(text), l); err != nil || (l.Start == nil) == (l.Request == nil) {
			return length, fmt.Errorf("line %d is none of a receiver", n)
		}
		if l.Start != nil && l.Start.Version != Version {
			return length, fmt.Errorf("line %d: version %d, only %d can be read", n, l.Start.Version, Version)
		}
		if err := visit(l); err != nil {
			return length, err
		}
		length += int64(len(text))
	}
}
