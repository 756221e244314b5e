package publish

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/schemas"
)

// TestCosts covers a record from Publish to the answer of a broker that costs nothing.
func TestCosts(t *testing.T) {
	cost.Check(t,
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

func publishable(waba string) *raw.Record {
	return &raw.Record{Topic: schemas.TopicRawLive, Key: []byte(waba), Value: rawtest.Message(1), Time: time.UnixMilli(1739321024123), Headers: []raw.Header{
		{Key: "content-type", Value: []byte("application/json")}, {Key: "ce_id", Value: []byte("0123456789abcdef0123456789abcdef")},
	}}
}

func encoding(codec kafka.Compression, records int) func(t *testing.T) func(times int) {
	return func(t *testing.T) func(int) {
		b, c := new(batch), newCompressor(codec)
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

// publisherToNobody makes a publisher whose broker acknowledges at once.
func publisherToNobody(t *testing.T) *publishing {
	return publisher(t, []string{"127.0.0.1:1"}, nil, func(p *Publisher) {
		p.client.Transport = &nobody{topics: p.transport.MetadataTopics}
	})
}

// nobody is a broker without a network. It replaces the client's transport, and is also the connection.
type nobody struct {
	topics []string
	space  []byte
	answer bytes.Buffer
}

// Write implements net.Conn. It makes the answer.
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
			for i := range int32(4) {
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
