// Package processors consumes the raw topics and produces the event topics, exactly once. It is the effectful shell
// around the pure packages below it (split, history, contacts, media, account, dedup and others), which package partition composes.
//
// Where things are:
//
//   - processor.go, config.go, instance.go: Processor.Run starts one session after the other.
//   - session.go, assignment.go: one session is a member of the consumer group with a transactional producer.
//   - polled.go, transaction.go, commit.go: a transaction processes polled live records and some of the backlog, and
//     commits everything together.
//   - runner.go, origin.go, reread.go, sender.go: a runner connects the core of one partition to Kafka. It passes
//     records to the core, reads held chunks again, and sends what the core emits.
//   - workspace.go, recordlimits.go, codec.go: memory, limits and compression of produced records.
//   - tick.go: time passes for partitions that have been read to their ends.
//   - commitwork.go, prefetch.go: the backlog is processed during a commit, and parsed before its transaction.
//   - restore.go, positions.go, blocked.go: cores are rebuilt from state; partitions with unreadable state are not
//     served.
//   - logfinding.go, losses.go: logs that were cut or created again, and records that retention removed.
//   - damage.go: a damaged batch of a log blocks its partition, or only the backlog (ADR 0057).
//   - standby.go: fencing. Of two processes with one instance id, the earlier one stands by.
//   - attempt.go, attemptlog.go, suspect.go: a record that repeatedly fails its transaction is set aside (ADR 0036).
//   - deferral.go, livebusinesses.go: live records of a business over its share are deferred (ADR 0037).
//   - backlog.go: the session as package bulk sees it. Package bulk fetches raw.bulk and schedules the backlog (ADR
//     0019).
//   - health.go, lag.go, metrics.go: readiness, lag and counters, which survive sessions.
//
// The session polls raw.live and rerouted with the group's consumer. Package bulk fetches raw.bulk of the same
// partitions with requests of its own. Each assigned partition has one runner with one core. The loop of a session is:
//
//	poll → live records to the cores → bulk within a budget → flush → commit records, state and offsets
//
// Contract:
//
//   - A read-committed consumer sees the events of each raw record once, even if processes are killed at any time.
//   - Records, state and the offsets of all three inputs are committed in one transaction.
//   - A core whose transaction was not committed is discarded and rebuilt from the topics state and contacts. A restart
//     uses the same path.
//   - Processor.Run retries all errors that a new session can repair. It returns the others.
//
// The package calls no other service. It reads event topics only to restore a core: contacts always, and history if
// records of the state are missing.
package processors
