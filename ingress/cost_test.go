package ingress

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/cost"
	"github.com/coexstream/coexstream/schemas"
)

// TestCosts guards the way of a webhook: the request from its first byte on a connection to the record that is handed
// over, and the record from there to the answer of a broker that costs nothing.
func TestCosts(t *testing.T) {
	cost.Check(t,
		cost.Operation{Name: "request of 1 KB", Per: "request", Times: 500, Start: requests(rawtest.Message(1))},
		cost.Operation{Name: "request of 1 MB history", Per: "request", Times: 4, Start: requests(rawtest.History(1 << 20))},
		cost.Operation{Name: "publish alone", Per: "record", Times: 500, Start: func(t *testing.T) func(int) {
			p, r := publisherToNobody(t), publishable("1022901293")
			return func(times int) {
				for range times {
					if err := p.Publish(r, time.Now().Add(time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}},
		cost.Operation{Name: "encode a batch of 64", Per: "batch", Times: 500, Start: encoding(0, 64)},
		cost.Operation{Name: "encode a batch of 64, snappy", Per: "batch", Times: 200, Start: encoding(kafka.Snappy, 64)},
		cost.Operation{Name: "encode a batch of 64, zstd", Per: "batch", Times: 50, Start: encoding(kafka.Zstd, 64)},
	)
}

// requests serves one connection on which the same signed webhook comes again and again.
func requests(body []byte) func(t *testing.T) func(times int) {
	return func(t *testing.T) func(int) {
		s := start(t, testConfig(), discarding{})
		request := fmt.Appendf(nil, "POST /meta HTTP/1.1\r\nHost: ingress\r\nUser-Agent: facebookexternalua\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n%s",
			sign(testSecret, body), len(body), body)
		return func(times int) {
			c := &playedConn{request: request, left: times}
			if err := s.http.ServeConn(c); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if c.accepted != times {
				t.Fatalf("%d of %d requests were answered with 200; the last answer: %s", c.accepted, times, c.last)
			}
		}
	}
}

// playedConn is a connection without a network: it gives the same request so many times, one after the other's answer,
// and counts the answers.
type playedConn struct {
	idleConn
	request  []byte
	at, left int
	accepted int
	last     []byte
}

func (c *playedConn) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.request[c.at:])
	if c.at += n; c.at == len(c.request) {
		c.at, c.left = 0, c.left-1
	}
	return n, nil
}

func (c *playedConn) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b[:min(len(b), 12)]), "HTTP/1.1 200") {
		c.accepted++
	}
	c.last = append(c.last[:0], b...)
	return len(b), nil
}

func (*playedConn) Close() error                     { return nil }
func (*playedConn) SetDeadline(time.Time) error      { return nil }
func (*playedConn) SetWriteDeadline(time.Time) error { return nil }

func publishable(waba string) *raw.Record {
	return &raw.Record{Topic: schemas.TopicRawLive, Key: []byte(waba), Value: rawtest.Message(1), Time: time.UnixMilli(1739321024123), Headers: []kafka.Header{
		{Key: "content-type", Value: []byte("application/json")}, {Key: "ce_id", Value: []byte("0123456789abcdef0123456789abcdef")},
	}}
}

func encoding(codec kafka.Compression, records int) func(t *testing.T) func(times int) {
	return func(t *testing.T) func(int) {
		b, c := new(batch), newCompressor(codec)
		b.reset()
		for i := range records {
			r := publishable("1022901293")
			r.Value = rawtest.Message(i)
			b.records = append(b.records, r)
		}
		return func(times int) {
			var wire []byte
			for range times {
				out, some, err := b.encode(wire[:0], c)
				if !some || err != nil {
					t.Fatal(some, err)
				}
				wire = out
			}
		}
	}
}

// publisherToNobody is a publisher whose broker acknowledges at once.
func publisherToNobody(t *testing.T) *publishing {
	return publisher(t, []string{"127.0.0.1:1"}, nil, func(p *Publisher) {
		p.client.Transport = &nobody{topics: p.transport.MetadataTopics}
	})
}

// nobody is the broker, in the place of the client's connections, and the connection to it.
type nobody struct {
	topics []string
	space  []byte
	answer bytes.Buffer
}

// Write implements net.Conn: it answers.
func (n *nobody) Write(request []byte) (int, error) {
	at := requestIDAt
	id := binary.BigEndian.Uint32(request[at:])
	at += 4
	skipString := func() []byte {
		from := at
		at += 2 + int(binary.BigEndian.Uint16(request[at:]))
		return request[from:at]
	}
	skipString()        // the client
	at += 2 + 2 + 4 + 4 // no transaction, acks, timeout, one topic
	topic := skipString()
	partition := request[at+4 : at+8]
	b := n.space[:0]
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(append(b, 0, 0, 0, 1), topic...)
	b = append(append(b, 0, 0, 0, 1), partition...)
	b = append(b, make([]byte, 2+8+8+8+4+2+4)...) // error, offsets and times, no errors, no message, not throttled
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	n.space = b
	n.answer.Write(b)
	return len(request), nil
}

// Read implements net.Conn.
func (n *nobody) Read(b []byte) (int, error) { return n.answer.Read(b) }

func (n *nobody) RoundTrip(_ context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	switch r := req.(type) {
	case *metadata.Request:
		res := &metadata.Response{Brokers: []metadata.ResponseBroker{{NodeID: 1, Host: "broker", Port: 9092}}}
		for _, topic := range n.topics {
			t := metadata.ResponseTopic{Name: topic}
			for i := range int32(loadPartitions) {
				t.Partitions = append(t.Partitions, metadata.ResponsePartition{PartitionIndex: i, LeaderID: 1})
			}
			res.Topics = append(res.Topics, t)
		}
		return res, nil
	case *produceRequest:
		r.Required(map[protocol.ApiKey]int16{protocol.Produce: produceVersionMax})
		return r.RawExchange(n)
	}
	return nil, fmt.Errorf("%T is not answered here", req)
}
