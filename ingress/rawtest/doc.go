// Package rawtest helps tests of raw records: bodies, a Durable in memory, a broker inside the process, and checks of
// what the broker's log holds.
package rawtest
