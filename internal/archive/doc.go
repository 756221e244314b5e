// Package archive is the format of an archive of topics, in a folder or in a bucket.
//
// The objects of a partition of a topic are a chain. An object is named by the first offset that it covers, and is written only where no
// object has that name. Its header says which offset the next object begins with. So
//
//  1. the objects alone say how far a partition is archived (Tail): there is no second place that could disagree;
//  2. of two writers, one writes an object, and the other one continues behind it: no record is there twice;
//  3. a missing object is noticed: the one before it names it.
//
// A chain belongs to one log, by the id that the brokers gave to the topic. A topic that is deleted and created again has another chain.
// A snapshot of a compacted topic is a chain of its own, in a folder with the date. Its last object says that it is complete.
//
// An object is a header in a skippable frame of zstd, HeaderBytes long, and JSON Lines compressed with zstd: every zstd tool
// reads it. A line is a record, see AppendLine.
//
// Names, headers, lines and objects are functions of bytes. Folder and Cloud are the buckets.
package archive
