// Package publish writes records to the raw topics: a group-commit producer over kafka-go.
//
// Promises:
//   - Publish returns nil when Kafka has acknowledged the record with acks=all.
//   - Records of a partition are written in the order of their Publish calls. One batch of a partition is in flight at
//     a time, and a failed batch is sent again before anything behind it.
//   - Publish returns shortly after its deadline at the latest. The error tells a record that was not written
//     (raw.ErrUnavailable) from one whose outcome is unknown (raw.ErrUnknown).
//   - A record may be written twice, because a request without an answer is sent again and the producer is not
//     idempotent. The processor drops such duplicates.
//   - The bytes of all records in the producer are bounded (Config.InFlightBytesMax).
//   - A body that is longer than a record of its topic may be is written in segments.
//
// # How it works
//
// Each partition has a queue. While a batch of it is in flight, new records wait and become the next batch. There is no
// linger: the pace of the broker makes the batches. A dispatcher for each topic sends the batches that are ready, and
// puts batches for one leader into one request. A send gate lets few requests start at the same moment, so that
// batches grow.
//
// kafka-go finds the leaders, makes and guards the connections. The package encodes the produce requests itself, which
// copies each record once, and decodes the answers (ADR 0010).
//
// # Files
//
//   - publisher: the life of the producer; Publish. inorder: PublishInOrder. segments: bodies longer than a record.
//   - queue: group commit of a partition. dispatcher, sendgate: which batches share a request, and when it starts.
//     producecall: a request in flight.
//   - batch, recordbatch, compressor: records to bytes. producerequest, produceanswer: the request on the wire.
//   - produceerror: what an error means. health: readiness.
package publish
