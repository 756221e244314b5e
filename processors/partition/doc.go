// Package partition is one partition of the pipeline as a deterministic machine. It has the state of the partition's
// businesses, and emits the records that follow from the next webhook or from the passing of time.
//
// It composes the pure packages (history, contacts, media, account, directory, people, identity, deferred, dedup) and
// routes between them. It has no clock, goroutine, I/O or Kafka type, so a test can simulate a week in a millisecond.
//
// Where things are:
//
//   - partition.go, config.go, origin.go, output.go, workspace.go: the state, its configuration, its input and its output.
//   - webhook.go, parts.go, turn.go, bound.go: a body is processed change by change, whole or in parts, within bounds.
//   - messageevent.go, statusevent.go, errorevent.go, accountevent.go, contactevent.go, handoverevent.go: an item of a
//     webhook becomes an event. eventrecord.go makes the record of it.
//   - chunk.go, release.go, pieces.go, historyerrors.go: chunks of history leave at once, or are held and read again.
//   - live.go, mediafollowup.go, placeholder.go, messagekey.go: the other items, the media of past messages, and ids.
//   - syncrequest.go: the requests of the desk become part of the syncs.
//   - schedule.go: time passes.
//   - number.go, business.go, forget.go, sourceshare.go: the numbers, their state records and their bounds.
//   - pendingboundaries.go, onboarding.go, undated.go, pages.go, directory.go: the state beside the numbers.
//   - replay.go, replaystate.go, requeue.go, relearn.go: replays, dead letters that are processed again, lost state.
//   - deferral.go, reroute.go, deadletter.go, unprocessed.go: records that wait, belong elsewhere, or cannot be processed.
//   - counts.go, size.go: figures for metrics.
//
// Duties of the owner:
//
//   - Restore: pass every record of the partition of `state` to RestoreState, and every record of `contacts` to
//     RestoreContact, then call Restored. If Incomplete is not 0 after that, pass the partition of `history` to Relearn
//     and call Relearned.
//   - Transaction: call Begin. Then pass each record in offset order per topic. A record of the desk goes to SyncRequest,
//     and a note about a phone number to Number. Others go to Webhook if they are of raw.live or rerouted, to Part if
//     they are of raw.bulk. Records of a replay or
//     a requeue go to Replayed or Requeued first, which report whether to process them. End with Flush. All emitted
//     records, and the offsets of the records that were read, belong to this transaction.
//   - Held chunks: while NextHeld returns a chunk, read its record again and call Release of the chunk, or Lost if the
//     log no longer has the record. Do so before the next record of raw.bulk.
//   - Parts: Bound gives the limit of each call, a Turn. At the limit, Part, GoOn and Release return after a part.
//     Begun then names the record, and GoOn continues with it; NextHeld returns a chunk again.
//   - Deferral: Defer adds a record to the queue instead of processing it. Start takes the first one of a business,
//     followed by GoOn, or by Abandon if it cannot be read.
//   - Abort: if the transaction was not committed, discard the partition and restore another one. A partition has no undo.
//   - Time: call Tick only with a time before which every acknowledged record has been read. Otherwise a backlog would
//     be mistaken for silence. Call PassFor with each record of raw.bulk and the time of its receipt, before Part. Call
//     GiveUp with the owner's clock to end silent replays.
//
// One goroutine at a time owns a partition. Emitted records refer to the workspace of Begin and to the bytes of the webhook.
// Both must stay unchanged until the transaction has ended.
package partition
