// Package history puts the chunks of a number's history syncs in order. It never sees a message: a chunk is a value with
// a reference to its place in the raw log. The package returns the reference that has to leave next. It is pure: it has
// no clock, no goroutine and no I/O.
//
// # Windows
//
// A Number is one phone_number_id. Its syncs are onboarding windows, numbered from 1. A chunk belongs to the newest window
// that began at or before the receipt of the chunk. A new window begins in three cases:
//   - With the first chunk received at or after a Boundary (an account event) or a Decline. A Boundary that only opens an
//     onboarding has no effect while a sync runs. After such a Boundary, and after a Decline, a chunk of the last window is
//     a duplicate.
//   - When an ended sync starts again: its first slot (the start of the lowest phase seen) has other content. A sync that
//     was overdue at the receipt of that chunk counts as ended, with or without a Tick.
//   - When no earlier window is remembered.
//
// Windows are independent: a chunk received after a closing boundary belongs to the new window, even if the old window
// had the same bytes. The second sync of a small business can equal its first byte for byte.
//
// Boundaries are compared by their receipt, because the lanes are read at different speeds. An early boundary stays
// pending until a chunk received after it, or a Tick. A boundary concerns the window before, and is ignored, if its event
// time is not later than the opening of the newest window (within BoundarySlack). Two boundaries without a chunk between
// them are one. When a window ends, its held chunks leave first, in order. A later chunk of an ended window leaves too,
// marked late. Once the window is released, a gap timeout after its end, such a chunk has no Departure.Known.
//
// A decline ends the window as declined. A second decline has no effect. Nor has one that arrives when the window after a
// declined one already has chunks: it can only be a redelivery of the first.
//
// # Order
//
// Chunks leave by (phase, chunk_order), each phase without gaps from its start. The start is 0 if a 0 was seen before the
// start, otherwise 1.
//
// A phase is finished in one of these cases:
//   - A chunk of it reported progress 100, and all orders up to the highest seen have left.
//   - Numbering is proven to run through, and the next phase continues with the next number.
//   - The phase hold has passed since its last chunk, and since a chunk of a later phase waits. If phases below a waiting
//     one never came, the phase hold counts from the first chunk of the waiting one.
//
// Numbering counts as restarting in each phase until it is proven to run through: the lowest chunk of a phase is one more
// than the highest of the phase before, and the phase hold has passed since both. A chunk of a later phase proves that
// numbering restarts if its order is not above all earlier ones. This proof is final. If the opposite was assumed until
// then, chunks that are missing at the start of the phases that began are reported as gaps.
//
// A gap holds later chunks until the gap timeout after the receipt of the first chunk behind it. Then the rest leaves and
// the gap is reported. A chunk whose place has passed leaves at once, marked late. A second chunk with other content for
// an occupied slot leaves after the first, marked late.
//
// Chunks without phase or chunk_order leave at once, in the order of arrival. The sync then has an unknown order.
//
// # Errors
//
// The window of a chunk reports its errors: the first schemas.SyncErrorsMax, and the number of others. A failed chunk, with
// errors alone, leaves its place missing. The wait for it is that of any gap, because it may still come whole. A sync
// with a missing failed chunk is not complete. Errors of a webhook without a chunk count as a failed chunk without a place.
// After a decline they belong to the declined window.
//
// # Duplicates
//
// A chunk is a duplicate if its window has a chunk of the same phase, order and digest. It is dropped and counted, also
// while the first is held, and until ChunkMemory after the end of the window. Nothing else is dropped.
//
// # Requests
//
// Request records a step of a request of the desk (package syncrequest). The sync that has the answer tells it. Until then, TakeSync
// gives the sync of the next window, without chunks. With the time of the onboarding, the answer is the first window that
// opened at or after it. Otherwise it is one that opened after the request, or the last one if nothing separates them. A closing
// Boundary ends requests without an answer: pass it to Offboard too. Ticks end their waits (silent, stalled, the deadline).
//
// # The end
//
// A sync is complete if four conditions hold: its highest phase is at least 2, that phase reported progress 100 and has
// left entirely, no phase has a gap, and the order is known. A phase without any chunk is a gap too: then the gap timeout
// must have passed since the last chunk. Otherwise the sync ends after the quiet time without a chunk, or at the ceiling.
// Progress 100 alone is never the end.
//
// # Time
//
// Time consists of the receipts of chunks and boundaries, and of the ticks. Only Tick (and the limit HeldChunksMax) ends a
// wait. So an owner that ticks only after it has read its inputs to the end never abandons a gap whose chunk is unread.
// Times have milliseconds.
//
// # Duties of the owner
//
//  1. Pass everything in the order of reading: Chunk, Boundary, Decline.
//  2. While Next has a departure, read its reference and emit the messages that Departure.Known does not have, and add
//     them there. Then call Left. Call Partly if only its first messages were emitted; Next gives the rest afterwards. Call
//     Missing if the reference cannot be read any more. Next gives the same answer until one of these calls.
//  3. Call Tick when Deadline has come and the inputs are read to the end. Ask for Deadline again after every other call,
//     because a departure may end the next wait at once.
//  4. At the end of a transaction, write the results of TakeState, and of TakeSync until it has none. If the transaction
//     fails, discard the Number and restore another one.
//  5. Restore: pass the newest value of every key, in any order. Older values before newer ones of the same key do no harm.
//     Then call Restored, once. If Incomplete is not 0 after that, pass the messages of `history` to Relearn, and call
//     Relearned.
//  6. Keep a Boundary that has a Seq while the number Needs it, and pass it to Again after a restore if the number Lacks it.
//
// # Cost
//
// A held chunk costs at most 64 bytes. The identity of a chunk costs at most 16, from 64 chunks on. An open window costs a
// dedup.Set for its messages. A released window keeps the identities only. State records are small: for each chunk one
// record, one page of its new messages (dedup.EntryBytes each), and one record of the window.
package history
