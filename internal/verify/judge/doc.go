// Package judge compares the topics with the ground truth of a run. It is pure: records come in as values, and a verdict
// goes out. It knows no broker and no clock. It shares only the contract with the code that it judges: the names, types
// and hashes of package schemas.
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
// Requirements. Every acknowledged body is in a raw topic, byte for byte. Every body in a raw topic counts, acknowledged
// or not. Each of its events is present once, with the right content and key, in the right partition. The judge sorts with
// full knowledge: the chunks of a window by phase, order and position. Of a repeated message the first one counts, and a
// later one only if its rank is higher.
//
// The raw log decides if the order of arrival matters. It shows which of two versions of a message came first, and the
// order of live events. It also shows whether a chunk came after its place had passed: only then may it be marked late,
// and be out of order. A chunk that waited in the spool of an ingress was acknowledged before it was in the log. Then the
// time of its events shows when it was read at the latest: after a wait had ended, or behind an account event.
//
// The judge reads the people of a webhook with code of its own: the spellings of a number, the chat, and the matching
// entries of contacts[]. If the direction is unknown in the truth, either one is right. Contacts of one second count in the
// order of the raw log. Account events without a time count again after each other account event. Invalid parts must be
// in `dlq`, once for each body and with their places. All other parts must become events.
//
// It costs about 200 bytes for each message of the truth.
package judge
