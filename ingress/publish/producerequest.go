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

// produceRequest is a produce request for partitions of one topic that have one leader, as it goes over the wire: one
// buffer into which the records are copied once, and one write. kafka-go chooses the leader's connection, and makes and
// guards it, but hands it over for the exchange (protocol.RawExchanger): its own encoder copies the records once more,
// and its reflection costs more than a dozen records do.
//
// It is reused, unless the round trip has failed: the client does not wait for the exchange of a request that was given
// up, which may be reading and writing it still.
type produceRequest struct {
	topic      string
	partitions []int32
	version    int16 // of the connection
	id         int32 // tells the answer from one to another request

	wire     []byte
	countAt  int // in wire: how many partitions follow
	answer   []byte
	response produce.Response
}

// The request's format is the same in all of these versions: 3 is the first one with record batches, 8 the last one
// before the lengths became varints.
const (
	produceVersionMin = 3
	produceVersionMax = 8
)

// The header of a request: its length, without these four bytes, its kind, version and id.
const (
	requestVersionAt   = 6
	requestIDAt        = 8
	requestHeaderBytes = 12
)

// produceFramingBytes is how long a request is without its strings and record batches.
const produceFramingBytes = requestHeaderBytes + 2 + 2 + 2 + 4 + 4 + 2 + 4

// partitionBytes is a partition's number, before its batch.
const partitionBytes = 4

// begin starts a request that is about to have so many bytes of batches.
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

// add encodes a partition's batch. It is false when no record of it is left.
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

// requestKeepBytes is the longest buffer that waits for the next request.
const requestKeepBytes = 1 << 20

// own takes the buffer back from a client that has answered; it must not keep the memory of the longest request that
// there ever was.
func (r *produceRequest) own() {
	if cap(r.wire) > requestKeepBytes {
		r.wire = nil
	}
}

// ApiKey implements protocol.Message.
func (*produceRequest) ApiKey() protocol.ApiKey { return protocol.Produce }

// Broker implements protocol.BrokerMessage: who leads the partitions.
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
			// Led by one when the request was made: the next one will know.
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

// RawExchange implements protocol.RawExchanger. The client has set the deadlines, and closes the connection after an
// error.
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
