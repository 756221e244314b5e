// Package processors runs the pipeline's middle: it consumes the raw topics and produces the event topics,
// exactly once.
//
// The rules live in the pure packages below it (split, history, contacts, media, account, known) and are
// composed by package task. Here is only the shell: a consumer-group transaction session of franz-go, which
// polls raw.live and rerouted, the backlog, which reads raw.bulk of the same partitions by requests of its own, one task
// for each assigned partition, and the loop
//
//	poll, and take from the backlog → feed the tasks → produce their output → commit records, state and the offsets
//	of all three topics in one transaction.
//
// What it promises: a read-committed consumer sees the outcome of every raw record once, whatever is killed
// at whatever moment. A task whose transaction did not commit is thrown away and rebuilt from the `state`
// and `contacts` topics; there is one way to recover and a restart takes it too.
//
// What it does not do: it never reads an event topic for anything but its own state, and it calls no other
// service.
package processors
