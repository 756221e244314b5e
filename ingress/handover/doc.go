// Package handover keeps records on the local disk while Kafka does not take them in time, and hands them over when it
// does.
//
// Promises of Spooled:
//   - Publish returns nil when Kafka has acknowledged the record, or the spool has written and synced it.
//   - Records of one business stay in order, as long as they are published one after the other. From the first record
//     that goes to the disk, all records of that business go there, until the last one has been handed over.
//   - History does not overtake a live record of its business.
//   - The hand-over is bounded in records and bytes a second, so that a backlog does not delay live records.
//   - A record that Kafka rejects permanently goes into the quarantine of the spool.
//
// A record may be handed over twice after a crash. The processor drops such duplicates. See ADR 0012.
package handover
