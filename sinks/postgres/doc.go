// Package postgres keeps the events in the tables of a PostgreSQL schema, for CRMs and reports.
//
// A batch is one transaction: rows, letters and positions. It takes these steps:
//
//  1. COPY of the tables with many rows into temporary ones. No limit of PostgreSQL ends a COPY whose client sends nothing more, so nobody waits
//     for anything of this step;
//  2. a lock of the partition, then the positions. They are updated from what the batch believes to where it leads. A position that
//     stands elsewhere fails the batch with sinks.ErrFenced, before anything else is written;
//  3. one statement for each table, which inserts rows and joins registers (package merge): a greater `…_order` wins. Few rows go as arrays. Rows are
//     sent in the order of their keys, so that transactions of several partitions do not deadlock;
//  4. the chats that changed.
//
// Each step has a limit of time, on both sides of the connection: an instance leaves a server that does not answer, and a server ends the
// statements and transactions of an instance that is suspended or cut off.
//
// The tables are made by Migrate alone. A store works with its own version of the tables and every later one, because migrations only add.
//
// Connections must not go through a pooler that changes the session between transactions: temporary tables live in the session.
package postgres
