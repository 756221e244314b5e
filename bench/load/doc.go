// Package load sends signed webhooks to an HTTP server, as fast as it answers (closed loop) or at a fixed rate (open
// loop). It reports how long each answer took and which bodies were acknowledged.
//
// It promises:
//   - Every body is different: it carries an Identity, so that acknowledged bodies can be found.
//   - Bodies are those of internal/verify/world, filled up to an exact size, and signed as Meta signs.
//   - In the open loop a request's time runs from the moment at which it was due, whether or not a
//     connection was free by then (no coordinated omission). In the closed loop it runs from its sending.
//   - Nothing is retried. An answer other than 2xx, or none, is counted and not acknowledged.
//
// It is meant to run in a process of its own, so that its computing is not taken for the server's.
package load
