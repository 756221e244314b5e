// Package contacts keeps the newest state of the address books of WhatsApp Business app users. It decides
// which row of the compacted `contacts` topic a change writes and which rows it takes away, so that the
// topic is at any time the right table, whatever the order in which the changes came.
//
// # The table
//
// A change names a phone number, a business-scoped user id (BSUID), or both. Its row stands under the phone
// number where it names one, else under the BSUID. Changes are ordered by Version: metadata.timestamp, then
// metadata.version, then the digest of the item's bytes; an add and a remove of one second and version are
// ordered by the digest as any two changes. A change is in the table unless
//
//   - a newer change names one of the identities that it names, or
//   - it names one identity alone, and a newer change names alone another identity of which some change says
//     that it is the same contact;
//
// and what is in the table is a row for an add or edit, and nothing for a remove. So a contact known by its
// phone number and by its BSUID has one row, the newest; a row that gives way to one under another key
// becomes a tombstone with the action `merge`.
//
// Both rules only ever take a change out of the table. A row that gave way never comes back and no row moves
// to another key, therefore nothing needs the content of an older change again, and none is kept: the row of
// a BSUID that is newer than the record that tells its phone number stays under the BSUID until a newer
// record names the number. The price: an identity that belonged to two others in turn (a number that went to
// another person) is taken for the same as either when these are named alone.
//
// # What it costs, and how it comes back
//
// An identity costs an entry of fixed size without pointers; only the ids that changes name together are
// kept. Everything is rebuilt from the `contacts` topic: each record's key and headers are fed to Restore,
// those of tombstones too. The topic forgets tombstones after some days (8 by default, longer than any sender
// repeats a webhook), and after a restart so does the Book: a change that is older than a removal of so long
// ago would come in again. After a restart the Book knows of each row what its newest record says: the
// change, the identities that it named, and one more that is linked to it.
//
// The package reads no clock and drops nothing but what is a duplicate or older than what is known.
package contacts
