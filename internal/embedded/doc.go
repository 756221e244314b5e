// Package embedded runs a Kafka broker inside the process: one node, speaking the real protocol, with its
// log on disk. It is for trying out, for tests and for small installations; a cluster is Apache Kafka, or
// what speaks its protocol.
//
// It promises:
//
//   - A record that was acknowledged is still there after a restart and after a kill -9; with
//     SyncWrites also after a power cut.
//   - A transaction is whole or not at all after a kill at any time. The broker itself writes the end of a transaction
//     partition by partition, and a kill would leave a torn one. So the decision to commit is written first
//     (journal.go), with the offsets of the transaction. The next start completes or undoes the rest (recover.go).
//   - Compaction and retention never lose a record that they should keep, also when killed meanwhile
//     (cleaner.go).
//   - Damage costs only the damaged records, and is reported (scan.go, partition.go, copies.go, quarantine.go): every
//     start reads all bytes. Offsets never go back, also if the end of a log is damaged (marks.go).
//   - One process at a time uses a folder (Lock), and no other user of the machine reads it (internal/private).
//   - With a password, which is required beyond loopback, every client has to authenticate. Bytes that are no request
//     of the protocol end their connection, not the process (gate.go).
//
// It relies on the on-disk format of the kfake version in go.mod; format.go holds all that is known of it,
// and Open refuses a folder of another format version.
package embedded
