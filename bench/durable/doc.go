// Package durable looks for the acknowledged bodies of a load: everything that got a 2xx has to be in the topic, byte
// for byte. Bodies without a 2xx may also be there, and a body may be there twice. Both are counted, and neither is a
// fault of an at-least-once edge.
package durable
