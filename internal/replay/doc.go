// Package replay copies raw records back into the pipeline: into the topics of another prefix, or into the
// topics from which they were read. See docs/adr/0014-replay.md.
//
// It promises:
//  1. It reads the records that were in the raw log at its begin and no later ones, and no record that a replay
//     or a requeue wrote, unless asked: it cannot feed itself.
//  2. Both lanes of all partitions are merged by the time of receipt and written to raw.bulk in that order. So a
//     processor sees them in the order of arrival, and live messages go first. Records of one lane keep their order.
//  3. Value, key, time and headers stay. Added are where the record came from, which replay wrote it, and how
//     many it went through.
//  4. A record is written at least once. A replay that was killed continues from its last checkpoint. The processor
//     drops the records that it writes twice.
//  5. An end marker follows the last record of each partition: until then the processor's time is that of the
//     records.
//
// A body is taken or left as a whole. The choice, the order, the copies, the pace and the progress are functions
// of values (selection.go, merge.go, copy.go, pace.go, progress.go); run.go reads and writes.
package replay
