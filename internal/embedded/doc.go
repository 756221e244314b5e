// Package embedded runs a Kafka broker inside the process: one node, speaking the real protocol, with its
// log on disk. It is for trying out, for tests and for small installations; a cluster is Apache Kafka, or
// what speaks its protocol.
//
// What it promises:
//
//   - A record that was acknowledged is still there after a restart and after a kill -9; with
//     SyncWrites also after a power cut.
//   - A transaction is whole or not at all, whenever the process is killed. The broker itself writes a
//     transaction's end partition by partition and would leave a torn one behind, so the decision to
//     commit, with the offsets that belong to it, is written down first (journal.go), and the next start
//     completes or undoes what was left (recover.go).
//   - Compaction and retention never lose a record that they should keep, also when killed meanwhile
//     (cleaner.go).
//   - Damage costs what is damaged only, and is told (scan.go, partition.go, copies.go, quarantine.go): every
//     start reads all bytes. Offsets never go back, also where the end of a log is damaged (marks.go).
//   - One process at a time uses a folder (Lock), and no other user of the machine reads it (internal/private).
//   - Where there is a password, and beyond loopback there has to be one, nobody reaches the broker without it, and what is
//     no request of the protocol ends its connection, not the process (gate.go).
//
// It relies on the on-disk format of the kfake version in go.mod; format.go holds all that is known of it,
// and Open refuses a folder of another format version.
package embedded
