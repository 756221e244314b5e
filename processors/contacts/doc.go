// Package contacts keeps the newest state of the address books of WhatsApp Business app users. It decides
// which row of the compacted `contacts` topic a change writes and which rows it takes away, so that the
// topic is at any time the right table, whatever the order in which the changes came.
//
// # The table
//
// A change names a phone number, a business-scoped user id (BSUID), or both. Its row stands under the phone
// number where it names one, else under the BSUID. Changes are ordered by Version: metadata.timestamp, then
// metadata.version, then the order of arrival: that of the raw log, and within a body that of the array. Changes of one
// timestamp, version and digest are one change, delivered again: those that gave way to another one of their time are
// remembered, the last ones of each id, so that a repetition undoes nothing. The two spellings of a phone number are one
// identity (package identity): the row stands under the spelling of the newest change. A change is in the table unless
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
// to another key (the row of another spelling is the newer change's own), therefore nothing needs the content of
// an older change again, and none is kept: the row of a BSUID that is newer than the record that tells its phone number stays under the BSUID until a newer
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
// change, the identities that it named, one more that is linked to it, and the changes of its time that gave way to it.
// A change that came, out of the order of arrival, after the one of its time that is newer has a record of its own
// (TakeState), for eight days or until the next record of its id tells it.
//
// Not brought back is a change that gave way to a repetition which overtook its own first delivery: its content is gone.
//
// The package reads no clock and drops nothing but what is a duplicate or older than what is known.
package contacts
