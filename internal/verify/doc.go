// Package verify feeds a running coexstream and checks the result.
//
// Simulate plays onboardings of made-up businesses against an ingress, as Meta and its partners would, and
// writes the ground truth of the run to a file. Check reads the topics and that file and says of every
// event whether it was delivered once, in order, and with the right content.
//
// The parts: world makes up the webhooks from a seed, truth is the file's format, judge is the check
// without I/O; this package holds what touches the network and the disk.
//
// It is a second opinion. It imports the contract (schemas) and the plumbing to read topics, and nothing
// of the code that it checks.
package verify
