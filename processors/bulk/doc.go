// Package bulk owns the backlog of raw.bulk: large history chunks that may wait while live messages go first.
//
//   - Reader fetches raw.bulk beside the group's consumer, so that fetched history never delays live records.
//   - Queue has the fetched records of one partition, behind the barrier that live and rerouted must pass first.
//   - Policy decides how much bulk a transaction may take. It is a function of polls and of the time passed in.
//   - Budget is the bulk work of one transaction.
//   - Scheduler gives the partitions slots in turn, within a budget.
//   - HeldCache and PieceCache keep bodies and chunks that wait for an earlier chunk.
//   - ScannerPool lends the scanners that cut bodies.
//
// It parses no body, keeps no state of a business, and commits nothing. That is the session's work.
//
// Ownership: a Scheduler, its Policy and the queues belong to the goroutine of the session. While a slot runs, the queue of
// its partition belongs to the slot's goroutine. Budget, HeldCache, PieceCache and ScannerPool may be used by all goroutines.
package bulk
