// Package durable looks for the bodies that a load was told to be safe: everything that got a 2xx has to be
// in the topic, byte for byte. What was not acknowledged may be there too, and what was sent once may be
// there twice; both are counted, neither is a fault of an at-least-once edge.
package durable
