// Package task is one partition of the pipeline as a deterministic machine: all that is known of the
// businesses of that partition, and what follows from the next webhook or from the passing of time.
//
// It composes the pure cores (history, contacts, media, account, known) and routes between them. It has
// no clock, no goroutine, no I/O and no Kafka type, so that a test plays a week in a millisecond.
//
// What its owner has to do:
//  1. Feed RestoreState with every record of the partition of the `state` topic, and RestoreContact with those of
//     `contacts`, then call Restored. Where Incomplete is not 0 after that, feed Relearn with the partition of `history`, and
//     call Relearned.
//  2. Inside a transaction: Begin, then Webhook for each raw record, in offset order per topic; then, while Wanted
//     names a held chunk, read that record again and call Release (or Lost); then Flush. All that the task
//     emitted, and the offsets that were read, go into that transaction.
//  3. When the transaction did not commit, throw the task away and restore another one: it has no undo.
//  4. Call Tick only with a time before which every record that the ingress acknowledged has been read:
//     a backlog must not be taken for silence. Before a record of raw.bulk call PassFor with the
//     record and the time of its receipt.
//
// A task is owned by one goroutine at a time. What it emits refers to the workspace that Begin lent and to
// the record's bytes; both have to stay untouched until the transaction has ended.
package task
