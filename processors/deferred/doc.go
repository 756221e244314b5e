// Package deferred decides which records of the live lane are processed at once, and which wait. It keeps one line of
// waiting records for each business. It reads no clock and knows no bytes: a record is a reference to the raw log.
//
// It promises: the records of one business leave its line in the order of arrival. The lines are served in turn, one
// record each. A queue that is rebuilt from the result of TakeState has the same records in the same order.
//
// It does not process records, and does not decide when there is room for one.
package deferred
