// Package queue decides what an endpoint gets next, and which offsets may be committed. It reads no clock and has no effects.
//
// A Queue has the events of one endpoint, in the partitions that the process owns. The caller
//
//  1. owns a partition with its committed positions, and disowns it;
//  2. reads where Wants allows it, and adds the records of the endpoint; the others count as acknowledged;
//  3. takes deliveries, sends them, and tells the answers;
//  4. takes letters, keeps them, and reports that they are kept;
//  5. takes changed positions, commits them, and reports that they are committed.
//
// Guarantees:
//
//   - The events of a business leave in the order of reading, one request at a time. Live events leave before its backlog.
//   - An event that waits for its retry holds up its business alone. Businesses whose answers take far longer than those of others share a
//     twentieth of the slots.
//   - A request keeps its slot until its acknowledgement is committed. So a kill repeats at most as many requests as there are slots.
//   - A position is the first offset that is not acknowledged, and the later ones that are. So one event that waits makes no
//     later event repeat.
//   - Each lane of a partition holds a bounded number of events and bytes. When a lane is full of the events of businesses that fail while
//     others succeed, the business with the most events loses them to letters.
//   - Nothing leaves the queue without an acknowledgement or a letter.
package queue
