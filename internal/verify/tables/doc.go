// Package tables judges the tables of a sink: they have to contain the newest state of the event topics, each row once.
//
// It has rules of its own, from docs/consuming.md, and shares no code with the sinks. It reads all event topics,
// computes the content of each row, reads all rows, and compares. If the rules leave two events equal, either may be in
// the table. The view sync_status has to contain the newest record of each window on `syncs`. Chats are compared with the messages of the tables.
//
// It knows nothing of the sent webhooks: package judge compares those with the topics.
package tables
