// Package deliveries judges a webhook sink by what a receiver took (package receiver): each event that the endpoint's filter takes is there,
// in the order of its business, and no other one is.
//
// It has rules of its own, from docs/webhooks-out.md and docs/consuming.md, and shares no code with the sink. It reads all event topics and
// the letters of the endpoint, and then the receiver's file. A request counts if the receiver answered with 2xx.
//
//   - A CloudEvent is the record with its id and origin. Its data and attributes have to be those of the record.
//   - A change of a webhook of Meta is the record whose original it has byte for byte.
//   - Lost: the filter takes the event, and it neither arrived nor became a letter.
//   - Repeated: it arrived more often than it is in the topics. An answer may have been lost if no later request came on its connection. A
//     repetition counts apart if its own answer or the one before may have been lost: it was sent again, or came late. Of the others, each
//     restart may cause as many as the endpoint may have in flight.
//   - Out of order: it arrived for the first time behind a later event of the same business and topic. Letters and equal events have no order.
//   - Excluded, replayed, historical, unknown: it must not have arrived.
package deliveries
