// Command chaos runs an ingress, processors and the simulator as processes of the real binary against Apache
// Kafka, injects faults while they work, and lets `coexstream check` judge the outcome.
//
// What is injected when is a plan, and the plan is a function of the seed (plan.go). Between every client and
// every broker, between each two brokers, and between the sender of webhooks and the ingress stands a link of this
// program's own (link.go), on which the network's faults are played; those of processes are signals, those of the disk are a
// small file system that is filled up, and those of clocks a program that is built with another one (clock.go).
//
// Everything that is started dies with this program.
package main
