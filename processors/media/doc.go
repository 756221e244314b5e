// Package media joins the media of the past with their placeholders.
//
// A history chunk has a `media_placeholder` in the place of a medium. The medium follows under the same wamid, or
// never, and it may come before the chunk. Meta's documents say that it comes for media of the last 14 days, in one of
// three shapes: `history` with messages[], `history` with message_echoes[], or `smb_message_echoes` with an old
// timestamp. RouteOf recognises them. In Meta's own sample, `from` and `timestamp` of the follow-up differ from those
// of the placeholder. Therefore they are joined by the wamid only, and the thread, direction and time of the
// placeholder win.
//
// A Book contains the placeholders and the waiting follow-ups of one phone number. It promises:
//
//   - A follow-up finds the placeholder of its wamid until Remember after the placeholder was last seen, any number of
//     times.
//   - A follow-up without a placeholder waits with its bytes, for at most Hold and within the limits of count and
//     bytes. Then it leaves unjoined. Only a repetition of the same bytes is dropped.
//   - A Book that was restored from the state records of another one gives the same answers.
//
// The duties of its owner:
//
//  1. Call Placeholder for every emitted placeholder, and emit the returned follow-ups, joined.
//  2. Call Find for every follow-up. Without a placeholder, call Wait. If Wait refuses it, emit the follow-up at once
//     and unjoined.
//  3. Call Tick at Deadline or later, and emit the returned follow-ups, unjoined.
//  4. At the end of each transaction, write the records of TakeState to the compacted state topic. If the transaction
//     does not commit, discard the Book and restore another one: it has no undo.
//
// The package has no clock: the owner passes the time. Time never goes back; an earlier time counts as the latest one.
package media
