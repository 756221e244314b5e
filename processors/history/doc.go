// Package history puts the chunks of a number's history syncs in order. It never sees a message: a chunk
// is a value with a reference to where it can be read again, and what the package returns is which
// reference has to leave next. It is pure: no clock, no goroutine, no I/O.
//
// # Windows
//
// A Number is one phone_number_id. Its syncs are onboarding windows, counted up from 1. A chunk belongs
// to the newest window that began at or before the chunk was received. A new window begins
//   - with the first chunk received at or after a Boundary (an account event) or a Decline. A Boundary that only opens
//     an onboarding does nothing while a sync runs. After it, and after a Decline, a chunk that the last window has is a
//     duplicate;
//   - when a sync that has ended starts again: its first slot (the start of the lowest phase seen) comes
//     with other content. A sync that was overdue at the time of that chunk counts as ended, ticked or not;
//   - when nothing of earlier windows is remembered.
//
// Each window stands for itself: a chunk received after a boundary that closes belongs to the new window even where
// the old one had the same bytes, since the second sync of a small business can be byte for byte its first.
//
// Boundaries are compared by when they were received, since the lanes are read at different speeds: one
// that is told early stays pending until a chunk received after it, or a Tick, is seen. One whose event
// time is not later than the newest window's opening (give or take BoundarySlack) concerns the window
// before and is ignored; two without a chunk between them are one. Of a window that ends everything held
// leaves first, in order. A chunk of an ended window leaves too, marked late, and without a Known set
// once the window is released, a gap timeout after its end.
//
// A decline ends the window as declined. A second one changes nothing; nor does one that comes while the
// window after a declined one has chunks already, since it can only be the first, delivered again.
//
// # Order
//
// Chunks leave by (phase, chunk_order), each phase without holes from its start: 0 when a 0 was seen
// before the start, otherwise 1.
//
// A phase is finished when a chunk of it told progress 100 and all orders up to the highest seen have
// left; or, where numbering is known to run through, when the next phase goes on with the next number; or
// when the phase hold has passed since its last chunk and since a chunk of a later phase waits. Where
// phases below a waiting one never came, the phase hold counts from the first chunk of the waiting one.
//
// Numbering is taken as restarting in each phase until it is known to run through: a phase's lowest chunk
// is one more than the highest of the phase before, and the phase hold has passed since both. A chunk of a
// later phase whose order is not above all of the earlier ones proves that it restarts, for good; where
// that was believed otherwise, what is missing at the start of the phases that began is told as a gap.
//
// A hole is waited for until the gap timeout has passed since the first chunk behind it was received.
// Then the rest goes on and the gap is told. What comes when its place has passed leaves at once, marked
// late. A second chunk with other content for an occupied slot leaves after the first, marked late.
//
// Chunks without phase or chunk_order leave at once, in the order of arrival; the sync then says that
// order is not known.
//
// # Errors
//
// The errors of a chunk are told in its window, the first schemas.SyncErrorsMax and how many more there were. A chunk that
// failed, which has nothing else, leaves its place missing: it is waited for, and given up, as any hole is, since it may come
// whole. A sync with a failed chunk that did not come is not complete. Errors of a webhook without a chunk are one that
// failed without a place. After a decline they are of the declined window.
//
// # Duplicates
//
// A chunk with the phase, order and digest of one of its window is a duplicate, dropped and counted, also
// while the first is held and for as long after the window's end as ChunkMemory. Nothing else is dropped.
//
// # The end
//
// A sync is complete when a phase of at least 2, the highest seen, told progress 100, all of it left, no
// phase has a gap, and the order is known. A phase that never came is waited for as a hole is: then the
// gap timeout must have passed since the last chunk. Otherwise the sync ends when it was quiet for the
// quiet time, or at the ceiling. Progress 100 alone is never the end.
//
// # Time
//
// Time is what chunks and boundaries say of when they were received, and the ticks. Only Tick lets
// waiting end (and the limit HeldChunksMax), so an owner that ticks only when it has read its inputs to
// the end never gives up a gap whose chunk is still unread. Times are kept in milliseconds.
//
// # Duties of the owner
//
//  1. Tell everything in the order in which it is read: Chunk, Boundary, Decline.
//  2. While Next has a departure, read its reference, emit what Departure.Known does not know yet,
//     raising it there, and answer with Left; with Partly when only its first messages were emitted, after which Next gives the rest;
//     or with Missing when the reference can no longer be read.
//     Next may be asked at any time and gives the same answer until then.
//  3. Tick when Deadline has come and the inputs are read to the end. Ask for Deadline again after every
//     other call: what left may let the next wait end at once.
//  4. At the end of a transaction write what TakeState and TakeSync (until it says no more) give. When the
//     transaction fails, drop the Number and restore it.
//  5. Restore the newest value of every key, in any order; older values before newer ones of the same key
//     do no harm. Then Restored, once.
//
// # Cost
//
// A held chunk costs at most 64 bytes, the identity of a chunk at most 16 from 64 chunks on, an open
// window what known.Set costs for its messages. A released window keeps the identities only. State records
// are small: for each chunk one of it, one page of its new messages (known.EntryBytes each), and one of
// the window.
package history
