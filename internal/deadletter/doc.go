// Package deadletter reads the `dlq` topic: a log of letters, and of notes that a letter was requeued. It lists and selects
// letters, and returns the records of a requeue. It is pure; the
// commands read and write.
//
// A letter is open until it is requeued. When it fails again a new letter comes, which counts the attempts; one
// that came back schemas.DLQReturnsMax times is parked. A note stands in the letter's own partition, behind it, so
// it is kept for at least as long. See docs/adr/0020-dead-letters.md.
package deadletter
