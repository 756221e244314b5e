// Package verify feeds a running coexstream and checks the result.
//
// Simulate plays onboardings of invented businesses against an ingress, as Meta and its partners would, and writes the
// ground truth of the run to a file. Check reads the topics and that file. It reports for every event whether it was
// delivered once, in order, and with the right content.
//
// The parts: world invents the webhooks from a seed, truth is the file's format, judge is the check without I/O; this
// package contains the access to the network and the disk.
//
// It is independent: it imports the contract (schemas) and the readers of topics, and no code that it checks.
package verify
