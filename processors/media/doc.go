// Package media joins the media of the past with their placeholders.
//
// A history chunk has a `media_placeholder` in the place of a medium; the asset follows under the same
// wamid, or never, and it may come before the chunk. Meta's documents say that it comes for media of the
// last 14 days, in one of three shapes: `history` with messages[], `history` with message_echoes[], or
// `smb_message_echoes` with an old timestamp. RouteOf knows them. In Meta's own sample the follow-up's
// `from` and `timestamp` differ from the placeholder's, therefore they are joined by the wamid only, and the
// thread, direction and time of the placeholder win.
//
// A Book holds the placeholders and the waiting follow-ups of one phone number. What it promises:
//
//   - A follow-up finds the placeholder of its wamid for Remember after the placeholder was last seen, any
//     number of times.
//   - A follow-up without a placeholder waits with its bytes, for Hold at most and within the limits of
//     count and bytes; then it leaves unjoined. Nothing is dropped but the same bytes a second time.
//   - A Book that was restored from the state records of another one answers as that one would have.
//
// What its owner has to do:
//
//  1. Call Placeholder for every placeholder that it emits, and emit the follow-ups that come back, joined.
//  2. Ask Find for every follow-up. Where there is no placeholder, call Wait; emit the follow-up at once and
//     unjoined where Wait does not take it.
//  3. Call Tick at Deadline or later, and emit the follow-ups that come back, unjoined.
//  4. At the end of each transaction write what TakeState gives to the compacted state topic. When the
//     transaction does not commit, throw the Book away and restore another one: it has no undo.
//
// The package has no clock; time is what its owner passes, and never goes back: an earlier time than the
// latest counts as that.
package media
