// Package rawtest helps tests of raw records. It has bodies, a Durable in memory, a broker inside the process, and checks
// of its log.
package rawtest
