// Command chaos runs an ingress, processors and the simulator as processes of the real binary against Apache
// Kafka, injects faults while they work, and lets `coexstream check` judge the outcome.
//
// The plan says which fault is injected when, and is a function of the seed (plan.go). Network faults are played on
// links of this program's own (link.go): between every client and every broker, between each two brokers, and between
// the sender of webhooks and the ingress. Faults of processes are signals. Faults of the disk are a small file system
// that is filled up. Faults of clocks are a program that is built with another clock (clock.go).
//
// Everything that is started dies with this program.
package main
