// Package sqlite keeps the tables of the events in one SQLite file, which anybody may read while it is written.
//
// The file is in WAL mode: readers see whole steps and are never waited for. A step is one transaction: rows, letters and positions. It is
// not fsynced each (`synchronous=NORMAL`): a power cut may undo the last steps, as a whole, and the sink reads them from the topics again.
//
// One step is taken at a time; those with live events before those with backlog. Memory is bounded by the page cache (8 MiB) and the step.
//
// Tables hold registers (package merge): `…_order` columns are theirs. Views are what people read: inbox, conversation, contact_card, sync_status.
package sqlite
