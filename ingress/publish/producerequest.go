package publish

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// produceRequest is a produce request as it goes over the wire, for partitions of one topic that have one leader. The
// records are copied once into one buffer, which is sent in one write. kafka-go chooses, opens and guards the
// connection, and lends it for the exchange (protocol.RawExchanger). The encoder of kafka-go would copy the records once
// more, and its reflection costs more than a dozen records do.
//
// A request is reused, except after a failed round trip: the client does not wait for the exchange of a cancelled
// request, which may still read and write the buffers.
type produceRequest struct {
	topic      string
	partitions []int32
	version    int16 // of the connection
	id         int32 // correlation id

	wire     []byte
	countAt  int // offset in wire of the number of partitions
	answer   []byte
	response produce.Response
}

// The format of the request is the same in all of these versions. Version 3 is the first one with record batches; after
// version 8 lengths are varints.
const (
	produceVersionMin = 3
	produceVersionMax = 8
)

// The header of a request: length without these four bytes, API key, version, correlation id.
const (
	requestVersionAt   = 6
	requestIDAt        = 8
	requestHeaderBytes = 12
)

// produceFramingBytes is the length of a request without its strings and record batches.
const produceFramingBytes = requestHeaderBytes + 2 + 2 + 2 + 4 + 4 + 2 + 4

// partitionBytes is the length of the partition number before a batch.
const partitionBytes = 4

// begin starts a request. batchBytes is the expected length of its batches.
func (r *produceRequest) begin(clientID, topic string, timeout time.Duration, batchBytes int) {
	r.topic, r.partitions = topic, r.partitions[:0]
	b := withRoom(r.wire, produceFramingBytes+len(clientID)+len(topic)+batchBytes)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(protocol.Produce))
	b = append(b, 0, 0, 0, 0, 0, 0) // version and id: exchange writes them
	b = appendString(b, clientID)
	b = binary.BigEndian.AppendUint16(b, 1<<16-1) // no transaction
	b = binary.BigEndian.AppendUint16(b, 1<<16-1) // acks of all replicas: kafka.RequireAll
	b = binary.BigEndian.AppendUint32(b, uint32(max(timeout, time.Millisecond)/time.Millisecond))
	b = binary.BigEndian.AppendUint32(b, 1) // topics
	b = appendString(b, topic)
	r.countAt = len(b)
	r.wire = append(b, 0, 0, 0, 0)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// add encodes the batch of a partition. It returns false when all of its records were dropped.
func (r *produceRequest) add(partition int32, batch *batch, c *compressor) (bool, error) {
	before := len(r.wire)
	wire, some, err := batch.encode(binary.BigEndian.AppendUint32(r.wire, uint32(partition)), c)
	if err != nil || !some {
		r.wire = wire[:before]
		return false, err
	}
	r.wire, r.partitions = wire, append(r.partitions, partition)
	return true, nil
}

// end completes the request.
func (r *produceRequest) end() {
	binary.BigEndian.PutUint32(r.wire, uint32(len(r.wire)-4))
	binary.BigEndian.PutUint32(r.wire[r.countAt:], uint32(len(r.partitions)))
}

// requestKeepBytes is the longest buffer that is kept for the next request.
const requestKeepBytes = 1 << 20

// trim frees a long buffer after the exchange, so that a rare long request does not occupy memory forever.
func (r *produceRequest) trim() {
	if cap(r.wire) > requestKeepBytes {
		r.wire = nil
	}
}

// ApiKey implements protocol.Message.
func (*produceRequest) ApiKey() protocol.ApiKey { return protocol.Produce }

// Broker implements protocol.BrokerMessage. It returns the leader of the partitions.
func (r *produceRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	leader := protocol.Broker{ID: -1}
	topic, ok := cluster.Topics[r.topic]
	if !ok {
		return leader, protocol.NewErrNoTopic(r.topic)
	}
	for i, id := range r.partitions {
		partition, ok := topic.Partitions[id]
		if !ok {
			return leader, protocol.NewErrNoPartition(r.topic, id)
		}
		its, ok := cluster.Brokers[partition.Leader]
		switch {
		case !ok:
			return leader, protocol.NewErrNoLeader(r.topic, id)
		case i > 0 && its.ID != leader.ID:
			// A leader has moved since the request was made. The next attempt uses new metadata.
			return leader, fmt.Errorf("partitions %d and %d have different leaders, %d and %d, by now: %w",
				r.partitions[0], id, leader.ID, its.ID, protocol.NewErrNoLeader(r.topic, id))
		}
		leader = its
	}
	return leader, nil
}

// Required implements protocol.RawExchanger.
func (r *produceRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = min(versions[protocol.Produce], produceVersionMax)
	return true
}

// RawExchange implements protocol.RawExchanger. The client sets the deadlines and closes the connection after an error.
func (r *produceRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < produceVersionMin {
		return nil, fmt.Errorf("the broker takes produce requests up to version %d, want %d, which Kafka 0.11 has: %w",
			r.version, produceVersionMin, kafka.UnsupportedVersion)
	}
	r.id++
	binary.BigEndian.PutUint16(r.wire[requestVersionAt:], uint16(r.version))
	binary.BigEndian.PutUint32(r.wire[requestIDAt:], uint32(r.id))
	if _, err := rw.Write(r.wire); err != nil {
		return nil, err
	}
	if err := r.read(rw); err != nil {
		return nil, fmt.Errorf("read the answer to a produce request: %w", err)
	}
	return &r.response, nil
}

var (
	_ protocol.BrokerMessage = (*produceRequest)(nil)
	_ protocol.RawExchanger  = (*produceRequest)(nil)
)
