// Package deferred decides which records of the live lane are processed at once and which wait for a turn, and keeps
// those that wait in line, one line for each business. It reads no clock and knows no bytes: a record is a reference to
// the raw log.
//
// What it promises: the records of one business leave its line in the order in which they came; lines are served in turn,
// one record each; a queue that is rebuilt from what TakeState gave holds the same records in the same order.
//
// What it does not do: it does not process a record, and it does not decide when there is room for one.
package deferred
