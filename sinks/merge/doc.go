// Package merge decides which rows a set of events makes, for every target and for the tests.
//
// A row is made of registers. These are independent values with an Order each, and the greatest Order wins. A message's
// content is one register; its newest edit, its revoke and its asset are others. Joining two states of a row keeps the
// greater value of each register. Therefore the outcome does not depend on the order of the events, on their batches,
// or on repetitions. An edit that comes before its message waits in its register, in a row that is not visible yet.
//
// Rows.Add turns an event into registers and joins them to the rows of its batch. A target reads its rows with the same
// keys, joins (Join reports whether anything changed), and writes changed ones. Orders are compared as bytes, so that a
// database can compare them, too.
//
// # Which value wins
//
//   - content: content over placeholders; live over historical; then the later onboarding window; then the later timestamp;
//   - edit, revoke, reaction, profile, link between two ids of a person: the later timestamp;
//   - asset of a placeholder: one that is an asset over one that is an error; then the later timestamp;
//   - status: played, read, delivered, sent, pending, then any other; of each the time is the earliest. Failures are
//     separate;
//   - entry of the address book, sync: the record with the greater offset, since both topics are compacted and their newest record is the
//     state. A removed entry keeps its row;
//   - outcome of an asset: the later time of the outcome. It is found by the ce_id of the event that names the asset;
//   - business and number: the value that was received later.
//
// If these are equal, a digest of the event's value decides, so that there is always one outcome.
//
// The registers of a message are found by its wamid. If the wamid of a media event has the user's business-scoped id,
// and that of its placeholder the phone number, the event joins its placeholder (docs/webhooks.md). Both wamids of any
// other message make two rows.
//
// Texts are parts of the records; clone them to keep rows for long. The package reads no clock and has no effects.
package merge
