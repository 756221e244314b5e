// Package archive is the sink that keeps topics in a bucket, as package internal/archive has the format.
//
// Kafka is the buffer. A chain (a partition of a topic) is left alone until its next object is due; then its records are read, compressed
// and written, as one object. So memory depends on the objects that are written at a time, and not on chains or businesses, a
// restart repeats nothing, and a stop has nothing to flush.
//
//  1. An object is due when a record has waited for Config.Rotation by the wall clock, or when about Config.ObjectBytesMax wait.
//  2. It is written only where none has its name. Where one has, another process was faster: the chain continues behind that one.
//  3. Where a chain stands is what its last object says. Nothing is committed to Kafka, and nothing is kept elsewhere.
//
// Faults, and their handling:
//
//   - brokers or a bucket that do not answer are tried again, at growing and random distances, for ever;
//   - records that retention removed before they were archived are counted in the next object (Header.Lost), in a metric and in the log: the
//     archive continues, because waiting would lose more, and `verify` names the place;
//   - a log that is shorter than its chain, and an object that is damaged or of another chain, block the chain (ErrBlocked) until somebody acts.
//
// A compacted topic has snapshots instead: one for each period, from its first record to its end, in one or more objects.
//
// pace.go decides, and reads no clock. chain.go reads and writes one chain, and sink.go chooses the chain.
package archive
