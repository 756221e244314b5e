// Package sinks is the runtime that brings events from the topics to a target: a database, an archive, a webhook.
//
// A Sink runs one task for each partition over all event topics: for all partitions, or for those that an Assignment
// gives to the process. All events of a business have one partition number, so a task is the only writer of its
// businesses. A task
//
//  1. reads its positions from the target. They are the truth; no offset is committed to Kafka;
//  2. reads committed records from there, live ones before the backlog (history and media);
//  3. makes rows of them (package merge), and gives these to the target together with their new positions, in one step.
//     The target refuses a batch that does not begin at its positions. Then the task reads the positions again.
//
// Failures:
//
//   - a record that is no event by its schema becomes a letter, which the target stores with its reason in the same
//     step;
//   - a batch with content that the target refuses (ErrRefused) is halved until the record is found, which becomes a
//     letter;
//   - events about people who were erased from the target (Eraser) are left out, up to the time of the erasure;
//   - an unavailable target is tried again without end, at growing and random intervals: nothing is skipped;
//   - if a log no longer has the next record (retention, a topic that was created again, a log that was cut), or
//     tombstones were removed unread, the partition is blocked. BlockedError names the cause and the remedy. The task
//     never continues at another place by itself.
//
// The runtime keeps at most a fetch of each topic of a partition in memory.
package sinks
