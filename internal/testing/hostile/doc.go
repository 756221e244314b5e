// Command hostile searches for webhooks that cost more than their bytes. It makes bodies of every shape that the
// scanner accepts, in growing sizes. A partition of the pipeline processes each, without Kafka, and a month passes. The
// costs are compared with the body's bytes:
//   - the bytes of all records that were emitted: at most 8 for each byte, and a constant;
//   - the bytes of state: at most 4 for each byte, and a constant;
//   - the processor's time for each byte: at most 10 times that of ordinary bodies in the same run, and a constant.
//
// A shape over a bound is reported with its seed, and the program ends with 1. `make hostile MINUTES=60` searches for
// an hour; the package's test does so for a moment.
package main
