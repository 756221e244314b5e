// Package spool keeps records on the local disk until somebody has taken them.
//
// Promises:
//   - A record whose Append returned nil is on the disk (fsync of the file, and of the folder that names
//     it), and stays there until Done was called for it, whatever is killed, cut or full in between.
//   - Records of one shard are read in the order in which they were appended. A record that Done was called
//     for may be read again after a crash, at most as far back as the last SaveProgress.
//   - An Append that failed may have persisted its record: whoever is told so appends again, or gives up.
//   - A file is never trusted after a failed write or fsync: what was not acknowledged goes to another file.
//   - What cannot be decoded is told (log, metrics) and kept: its file is moved to the folder quarantine
//     when all that can be decoded was taken. One damaged record costs itself and none behind it.
//   - Disk, memory and age are bounded. Reaching a bound is an error of Append.
//
// A folder belongs to one process at a time. Append, Detour and Ready may be called by any number of
// goroutines; Read, Rewind, Done, SetAside and SaveProgress belong to the one who drains (Done and SetAside
// may run beside each other). Run must run for anything to become durable.
//
// # On disk
//
// A segment is a file <sequence>-<salt>.v1.spool of frames, each a header of 32 bytes and its payload,
// padded to 8 bytes. The header's checksum covers the salt and the frame's offset, so that nothing inside a
// payload, and nothing that an earlier file left on the same blocks, can pass for a frame: after damage the
// next frame is found by looking for one. A segment that was closed in order ends with a seal. No start ever
// appends to a segment of an earlier one.
//
// progress says, for each shard, up to where its records were taken. It is never ahead of the truth, and when
// it is lost, everything that is still on disk is read again.
package spool
