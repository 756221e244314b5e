// Package merge decides which rows a set of events makes. It is the same for every target, and for the tests.
//
// A row is made of registers: values that each have an Order, of which the greatest wins, and that know nothing of each other. A
// message's content is one, its newest edit, its revoke, its asset are others. Joining two states of a row keeps the greater of
// each register. Therefore the outcome is the same whatever the order in which events come, however they are cut into batches and
// however often they are repeated; an edit that comes before its message waits in its register, in a row that is not visible yet.
//
// Rows.Add turns an event into registers and joins them to the rows of its batch. A target reads the rows that it has under the
// same keys, joins (Join reports whether anything changed), and writes what changed. Orders are compared as bytes, so that a database can
// do it, too.
//
// # Which value wins
//
//   - content: content over placeholders; live over historical; then the later onboarding window; then the later timestamp;
//   - edit, revoke, reaction, profile, link between two ids of a person: the later timestamp;
//   - asset of a placeholder: one that is an asset over one that is an error; then the later timestamp;
//   - status: played, read, delivered, sent, pending, then any other; of each the time is the earliest. Failures stand apart;
//   - entry of the address book, sync: the record with the greater offset, since both topics are compacted and their newest record is the
//     state. A removed entry keeps its row;
//   - business and number: what was received later.
//
// Where these are equal, a digest of the event's value decides, so that there is always one outcome.
//
// What belongs to a message is found by its wamid. A media event whose wamid holds the user's business-scoped id, while its
// placeholder's holds the phone number, is brought to its placeholder (docs/webhooks.md). Both wamids of any other message make two rows.
//
// Texts are parts of the records; who keeps rows for long clones them. The package reads no clock and has no effects.
package merge
