// Package sqlite keeps the tables of the events in one SQLite file. Other programs may read it while it is written.
//
// The file is in WAL mode: readers see whole steps, and no step waits for them. A step is one transaction: rows,
// letters and positions. It is not fsynced (`synchronous=NORMAL`). A power cut may undo the last steps, each as a
// whole, and the sink reads them from the topics again.
//
// Steps are taken one at a time; those with live events before those with backlog. Memory is bounded by the page cache
// (8 MiB) and the step.
//
// Tables have registers (package merge), which include the `…_order` columns. The views are for people: inbox,
// conversation, contact_card, sync_status.
package sqlite
