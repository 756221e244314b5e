package publish

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// produced decodes a request with the library of another client.
func produced(r *produceRequest) (*kmsg.ProduceRequest, error) {
	if n := binary.BigEndian.Uint32(r.wire); int(n) != len(r.wire)-4 {
		return nil, fmt.Errorf("the request tells %d bytes and has %d", n, len(r.wire)-4)
	}
	client := requestHeaderBytes + 2 + int(binary.BigEndian.Uint16(r.wire[requestHeaderBytes:]))
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(produceVersionMax)
	return req, req.ReadFrom(r.wire[client:])
}

// requestOf makes a request with a batch for each partition. records are the lengths of the batches.
func requestOf(t *testing.T, c *compressor, records ...int) *produceRequest {
	t.Helper()
	r := new(produceRequest)
	r.begin("a client", "a topic", 1500*time.Millisecond, 0)
	for i, n := range records {
		if some, err := r.add(int32(i), batchOf(n), c); some != (n > 0) || err != nil {
			t.Fatalf("%v %v", some, err)
		}
	}
	r.end()
	return r
}

func TestProduceRequestIsWhatAnotherLibraryReads(t *testing.T) {
	for _, codec := range []kafka.Compression{0, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		r := requestOf(t, newCompressor(codec), 3, 0, 500, 1)
		req, err := produced(r)
		if err != nil {
			t.Fatal(err)
		}
		if req.TransactionID != nil || req.Acks != -1 || req.TimeoutMillis != 1500 || len(req.Topics) != 1 || req.Topics[0].Topic != "a topic" {
			t.Errorf("%+v", req)
		}
		got := map[int32]int{}
		for _, p := range req.Topics[0].Partitions {
			_, records := decoded(t, append(binary.BigEndian.AppendUint32(nil, uint32(len(p.Records))), p.Records...))
			got[p.Partition] = len(records)
		}
		if want := map[int32]int{0: 3, 2: 500, 3: 1}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: records by partition are %v, want %v", codec, got, want)
		}
	}
}

// TestProducedIsWhatTheClientLibraryWrites decodes answers of any kind into a response with the values of another one.
func TestProducedIsWhatTheClientLibraryWrites(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	text := func() string { return strings.Repeat("é", rng.IntN(4)) }
	r := new(produceRequest)
	for range 500 {
		want := produce.Response{ThrottleTimeMs: rng.Int32()}
		version := produceVersionMin + int16(rng.IntN(produceVersionMax-produceVersionMin+1))
		for range rng.IntN(3) {
			topic := produce.ResponseTopic{Topic: text()}
			for range rng.IntN(4) {
				p := produce.ResponsePartition{
					Partition: rng.Int32(), ErrorCode: int16(rng.IntN(90) - 1), BaseOffset: rng.Int64() - 1, LogAppendTime: rng.Int64() - 1,
				}
				if version >= 5 {
					p.LogStartOffset = rng.Int64()
				}
				if version >= 8 {
					for range rng.IntN(3) {
						p.RecordErrors = append(p.RecordErrors, produce.ResponseError{BatchIndex: rng.Int32(), BatchIndexErrorMessage: text()})
					}
					p.ErrorMessage = text()
				}
				topic.Partitions = append(topic.Partitions, p)
			}
			want.Topics = append(want.Topics, topic)
		}
		r.id, r.version = rng.Int32(), version
		var answer bytes.Buffer
		if err := protocol.WriteResponse(&answer, version, r.id, &want); err != nil {
			t.Fatal(err)
		}
		whole := bytes.Clone(answer.Bytes())
		if err := r.read(&answer); err != nil {
			t.Fatalf("version %d: %v\n%+v", version, err, want)
		}
		if got := fmt.Sprintf("%+v", r.response); got != fmt.Sprintf("%+v", want) {
			t.Fatalf("version %d:\n%s, want\n%+v", version, got, want)
		}
		// An answer that is cut off anywhere is an error.
		at := 8 + rng.IntN(len(whole)-8)
		if err := decodeProduced(whole[8:at], version, &r.response); !errors.Is(err, errAnswerShort) {
			t.Fatalf("%d of %d bytes: %v", at, len(whole), err)
		}
		if err := r.read(bytes.NewReader(whole[:at])); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Fatalf("%d of %d bytes: %v", at, len(whole), err)
		}
	}
}

func TestAnswerOfAnotherRequestOrLengthIsAnError(t *testing.T) {
	r := &produceRequest{id: 7, version: produceVersionMax}
	for _, c := range []struct {
		answer []byte
		want   string
	}{
		{[]byte{0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 0}, "to request 6, want 7"},
		{[]byte{0, 0, 0, 3, 0, 0, 0}, "3 bytes"},
		{[]byte{0x7f, 0xff, 0xff, 0xff, 0}, "2147483647 bytes"},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0}, "-1 bytes"},
		{[]byte{0, 0, 0, 12, 0, 0, 0, 7, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}, "cut off"},
	} {
		if err := r.read(bytes.NewReader(c.answer)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%x: %v, want %q", c.answer, err, c.want)
		}
	}
}

func TestProduceRequestNeedsOneLeader(t *testing.T) {
	r := requestOf(t, newCompressor(0), 1, 1)
	led := func(leaders ...int32) protocol.Cluster {
		c := protocol.Cluster{Brokers: map[int32]protocol.Broker{1: {ID: 1}, 2: {ID: 2}}, Topics: map[string]protocol.Topic{}}
		topic := protocol.Topic{Partitions: map[int32]protocol.Partition{}}
		for i, leader := range leaders {
			topic.Partitions[int32(i)] = protocol.Partition{ID: int32(i), Leader: leader}
		}
		if leaders != nil {
			c.Topics["a topic"] = topic
		}
		return c
	}
	if b, err := r.Broker(led(2, 2)); err != nil || b.ID != 2 {
		t.Errorf("%v %v", b, err)
	}
	for _, c := range []protocol.Cluster{led(), led(1), led(1, -1), led(3, 3), led(1, 2)} {
		_, err := r.Broker(c)
		if v := classify(err); err == nil || v.kind != produceErrorLeader || v.maybeWritten || v.final {
			t.Errorf("%+v: %v is classified as %+v", c, err, v)
		}
	}
}

func TestBrokerWithoutRecordBatchesIsRefused(t *testing.T) {
	r := requestOf(t, newCompressor(0), 1)
	r.Required(map[protocol.ApiKey]int16{protocol.Produce: 2})
	_, err := r.RawExchange(nil)
	if v := classify(err); err == nil || v.kind != produceErrorRejected || !v.final || v.maybeWritten {
		t.Errorf("%v is classified as %+v", err, v)
	}
	r.Required(map[protocol.ApiKey]int16{protocol.Produce: 12})
	if r.version != produceVersionMax {
		t.Errorf("version %d, want %d", r.version, produceVersionMax)
	}
}

func TestRequestDoesNotKeepTheMemoryOfItsLongest(t *testing.T) {
	long := make([]byte, 2*requestKeepBytes)
	if _, err := rand.NewChaCha8([32]byte{}).Read(long); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []kafka.Compression{0, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		r, b := new(produceRequest), batchOf(1)
		b.records[0].Value = long
		r.begin("client", "topic", time.Second, 0)
		if _, err := r.add(0, b, newCompressor(codec)); err != nil {
			t.Fatal(err)
		}
		if n := len(r.wire); n < len(long) {
			t.Errorf("%s: %d random bytes became %d", codec, len(long), n)
		}
		r.trim()
		if n := cap(r.wire); n > requestKeepBytes {
			t.Errorf("%s: %d bytes are kept", codec, n)
		}
	}
}

// TestRequestHasRoomForItsBatches: the buffer does not grow, which would copy the batches again.
func TestRequestHasRoomForItsBatches(t *testing.T) {
	r, b := new(produceRequest), batchOf(300)
	r.begin("client", "topic", time.Second, partitionBytes+b.room())
	before := cap(r.wire)
	if _, err := r.add(0, b, newCompressor(0)); err != nil {
		t.Fatal(err)
	}
	if cap(r.wire) != before {
		t.Errorf("%d bytes of room became %d", before, cap(r.wire))
	}
}
