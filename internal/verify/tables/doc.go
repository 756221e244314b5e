// Package tables judges the tables of a sink: whether they hold what the event topics hold, once, and the newest of it.
//
// It has rules of its own, read off docs/consuming.md, and shares no code with the sinks. It reads all event topics, works out what each row has to
// say, reads all rows, and compares. Where the rules leave two events equal, either may stand in the table. Chats are compared with the
// messages of the tables.
//
// It knows nothing of what was sent: package judge compares that with the topics.
package tables
