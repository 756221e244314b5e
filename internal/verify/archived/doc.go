// Package archived judges an archive: the union of its objects is the log.
//
// It has a reader of its own, from docs/archive.md, and shares no code with the sink and with `sink archive verify`. It reads folders, and
// buckets by gocloud.dev. It reads all topics and every object, and compares:
//
//   - each object: its name, header, checksums, and the order and number of its records;
//   - each chain: every object begins where the one before it ends;
//   - each record of the present topics: it is in the archive once, with its key, its headers in their order, its time and its value;
//   - the newest snapshot of each compacted topic: it is complete, and has each record that the topic still has and that is as old;
//   - the truth of a simulation: each body with a 200 is in the raw chains of some log.
//
// The topics of earlier logs are gone, so their chains are judged by themselves.
package archived
