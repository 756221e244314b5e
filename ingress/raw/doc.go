// Package raw defines the records of the raw topics and the contract between the HTTP edge and what makes them
// durable.
//
// The edge builds a Record for each verified webhook and hands it to a Durable. Package publish is the Durable that
// writes to Kafka. Package handover is the Durable that falls back to the disk. The package has no I/O.
package raw
