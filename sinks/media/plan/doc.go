// Package plan decides which asset is downloaded next, whether an attempt is repeated, and which offsets may be committed. It reads no
// clock and has no effects.
//
// A Plan has the assets of the events in the partitions that the process owns. The caller
//
//  1. owns a partition with its committed positions, and disowns it;
//  2. reads where Wants allows it, and adds the assets of the events; events without an asset count as done;
//  3. takes an asset with Next, makes one attempt, and reports its Result with Done;
//  4. publishes the outcome that Done returns, and reports it with Published;
//  5. takes changed positions with Commit and commits them.
//
// Guarantees:
//
//   - The asset that expires first is next, in each of two lanes: live events, and media of the past. While assets of both wait, one of four
//     attempts is for the past. The past leaves a slot for live assets, if there are two or more.
//   - An asset that waits for another attempt holds up no other one. A business whose token is refused, or whose rate is used up, waits as
//     a whole, and holds up no other one.
//   - Each topic of a partition holds a bounded number of assets. If all of them wait for tokens, the business with the most of them
//     gives up its older half as denied, so that others continue.
//   - Every asset has exactly one outcome: stored, or missing with a reason.
package plan
