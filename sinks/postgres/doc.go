// Package postgres keeps the events in the tables of a PostgreSQL schema, for CRMs and reports.
//
// A batch is one transaction: rows, letters and positions. It takes these steps:
//
//  1. a lock of the partition, then the positions. They are updated from what the batch believes to where it leads. A position that
//     stands elsewhere fails the batch with sinks.ErrFenced, before anything else is written;
//  2. the rows of each table, as arrays of a statement, or by COPY into a temporary table where there are many;
//  3. one statement for each table, which inserts rows and joins registers (package merge): a greater `…_order` wins. Rows are sent in the
//     order of their keys, so that transactions of several partitions do not deadlock;
//  4. the chats that changed.
//
// The tables are made by Migrate alone. A store works with its own version of the tables and every later one, because migrations only add.
//
// Connections must not go through a pooler that changes the session between transactions: temporary tables live in the session.
package postgres
