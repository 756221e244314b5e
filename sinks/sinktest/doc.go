// Package sinktest is the suite that every target of sinks has to pass, and what it is made of: worlds of events from a seed, a naive fold that
// says what a target has to hold of them, and a log that plays them to a sink. It is for tests.
//
// The fold takes all events of a world at once and picks the winners by the rules of docs/consuming.md. It shares no code with package merge.
package sinktest
