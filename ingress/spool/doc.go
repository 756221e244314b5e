// Package spool keeps records on the local disk until they have been handed over.
//
// Promises:
//   - A record whose Append returned nil is on the disk: the file and its folder were synced. It stays there until Done
//     is called for it, across kills, power cuts and full disks.
//   - Records of one shard are read in the order in which they were appended. After a crash a record may be read again
//     although Done was called for it, at most those since the last SaveProgress.
//   - An Append that failed may have persisted its record. The caller appends again, or gives up.
//   - A file is not used any more after a failed write or fsync. Records that were not acknowledged go to another file.
//   - Damage is logged and counted. A damaged file moves to the folder quarantine after its intact records were handed
//     over. A damaged record does not affect the records behind it.
//   - Disk, memory and age are bounded. Append returns an error at each bound.
//
// A folder belongs to one process at a time. Any number of goroutines may call Append, MustSpool and Ready. Read, Rewind,
// Done, SetAside and SaveProgress belong to the goroutine that drains; Done and SetAside may run in parallel. Nothing
// becomes durable before Run is called.
//
// # On disk
//
// A segment is a file <sequence>-<salt>.v1.spool of frames, each a header of 32 bytes and its payload,
// padded to 8 bytes. The checksum of the header covers the salt and the offset of the frame. Therefore bytes inside a
// payload, or left on the same blocks by an earlier file, never pass for a frame, and a search finds the next frame after
// damage. A segment that was closed properly ends with a seal. A process never appends to a segment of an earlier one.
//
// The file progress has, for each shard, the position up to which records were handed over. It is never ahead of the
// hand-over. When it is lost, everything on the disk is read again.
package spool
