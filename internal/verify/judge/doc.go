// Package judge compares the topics with the ground truth of a run. It is pure: records
// come in as values, a verdict goes out; it knows no broker and no clock. Of the code that it judges it knows the contract
// alone: the names, types and hashes of package schemas.
//
// How to use it, in this order:
//  1. Truth for every line of the truth file.
//  2. Raw for every record of the raw topics, each partition in the order of its log; or ReadRaw, on any goroutine, and
//     TakeRaw of what it gave, in that order.
//  3. Expect, once: from the raw log it derives the expected content of the other topics.
//  4. Event for every record of the other topics, each partition in the order of its log; or Read, on any goroutine, and
//     Take of what it gave, in that order. Missing is the number of events that are not there yet.
//  5. Verdict.
//
// Requirements. Every acknowledged body is in a raw topic, byte for byte. Every body that a raw topic
// holds, acknowledged or not, counts: each of its events is there once, with the right content, under the
// right key, in the right partition. The judge finds that out by sorting with full knowledge: chunks of a
// window by phase, order and position; of a message that came twice the first counts, and a later one only
// when it ranks higher.
//
// The raw log decides if the order of arrival matters. It shows which of two versions of a message came first, and the
// order of live events. It also shows whether a chunk came after its place had passed: only then may it be marked late,
// and be out of order.
//
// Whom an item is of is compared by the judge's own reading of the webhook: which spellings of a number are one, what
// names a chat, what of contacts[] is about whom. Where the truth says that the direction is unknown, either is right.
// Contacts of one second count in the order of the raw log; account events without a time count once for each time that
// another one came between. Invalid parts must be in `dlq`, once for each body and with their places, and all other parts must become events.
//
// It costs about 200 bytes for each message of the truth.
package judge
