// Package sinks is the runtime that brings events from the topics to a target: a database, an archive, a webhook.
//
// A Sink runs one task for each partition over all event topics: for all partitions, or for those that an Assignment gives to the process. All that concerns a business is in one partition number, so a
// task is the only writer of its businesses. A task
//
//  1. asks the target where it stands. That is the truth; no offset is committed to Kafka;
//  2. reads committed records from there, what is live before what is backlog: history and media;
//  3. makes rows of them (package merge), and gives them to the target together with the positions that they lead to, which the
//     target takes in one step. It refuses where it does not stand where the task believes, and the task asks again.
//
// What goes wrong, and what becomes of it:
//
//   - a record that is no event by its schema is a letter: it is kept in the target, with its reason, in the same step;
//   - a batch whose content the target refuses (ErrRefused) is halved until the record is found, which becomes a letter;
//   - events about people who were erased from the target (Eraser) are left out, up to the time of the erasure;
//   - a target that is away is tried again, at growing and random distances, for ever: nothing is skipped;
//   - a log that does not hold the next record any more (retention, a topic that was made again, a log that was cut), and tombstones that
//     were removed unread, block the partition (BlockedError) and are told with the way back. The task never goes on at another place by itself.
//
// The runtime keeps at most a fetch of each topic of a partition in memory.
package sinks
