// Package receiver is a backend that takes the webhooks of coexstream, for `simulate receiver`.
//
// It serves the endpoints of an endpoints file at the paths of their URLs, and verifies the signature of each request. Each endpoint has a file,
// in which each request and its answer are a line (Line). A line is durable before its 200 leaves, so each 200 has a line. A line whose 200
// the sender never saw can exist: the answer was lost.
//
// The receiver can fail on purpose: with 5xx, by silence, and by closing the connection behind the request (Failures).
//
// It shares no code with the sink: endpoints are read, and signatures are computed, by rules of its own from docs/webhooks-out.md.
package receiver
