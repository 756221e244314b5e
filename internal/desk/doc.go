// Package desk decides about the requests for syncs of each number: the state of former requests, the allowed ones, and the next
// step. It is pure: it reads no clock and calls nobody.
//
// The ledger is a fold over a log of entries (Ledger.Apply). The log has one order, which all instances read, so that all have
// the same ledger.
//
//   - An entry names the entry of its number that its writer saw last (After). It counts only if that one is still the last. Of
//     two instances that write at the same time, one wins. The other reads that it lost.
//   - A request is sent only after its intent was written, and read back as one that counts. An intent counts only where
//     the type was not requested in this onboarding, where the former attempt was certainly not accepted, or where a person
//     asked for another one (Again).
//   - An intent without an outcome is unknown after a time. Nothing follows from it by itself.
//
// Package office writes the log and sends the requests.
package desk
