// Package contacts keeps the newest state of the address books of WhatsApp Business app users. It decides which row of
// the compacted `contacts` topic a change writes and which rows it removes. So the topic is the right table at any
// time, for any order of the changes.
//
// # The table
//
// A change names a phone number, a business-scoped user id (BSUID), or both. Its row is under the phone number if it
// names one, otherwise under the BSUID. Version orders the changes: metadata.timestamp, then metadata.version, then the
// order of arrival in the raw log and within a body. Changes of one timestamp, version and digest are one change,
// delivered again. Of the changes of one time that gave way, each id remembers the last ones, so that a repetition
// undoes nothing. The two spellings of a phone number are one identity (package identity), and the row has the spelling
// of the newest change. A change is in the table unless
//
//   - a newer change names one of its identities, or
//   - it names one identity alone, a newer change names another identity alone, and some change says that the two are
//     one contact.
//
// An add or edit in the table is a row, and a removal in the table is none. So a contact with a phone number and a
// BSUID has one row, the newest. A row that gives way to one under another key becomes a tombstone with the action
// `merge`.
//
// Both rules only remove changes from the table. A removed row never returns, and no row moves to another key; a row
// under another spelling is a newer change. Therefore the content of older changes is never needed again, and none is
// stored. A BSUID's row that is newer than the record with its phone number stays under the BSUID until a newer record
// names the number. The limit of these rules: an identity that belonged to two others in turn (a number that went to
// another person) counts as either of them when they are named alone.
//
// # Cost and restoration
//
// An identity costs an entry of fixed size without pointers. Only ids that changes name together are stored as bytes.
// Restore rebuilds everything from the keys and headers of the `contacts` topic, with tombstones. The topic forgets
// tombstones after some days: 8 by default, longer than any sender repeats a webhook. So does the Book after a restart,
// and then a change older than such a removal would be applied again. After a restart the Book knows the newest record
// of each row: the change, its identities, one linked identity, and the changes of its time that gave way to it. A
// change that arrived, out of order, after a newer one of its time has a record of its own (TakeState). It stays for
// eight days, or until the next record of its id contains it.
//
// One kind of change is not restored: one that gave way to a repetition which overtook its own first delivery. Its
// content is gone.
//
// The package reads no clock. It drops only duplicates and changes that are older than known ones.
package contacts
