// Package syncrequest is the record of a request for a sync: the contacts, or the history, of one number.
//
// The desk writes one record for each step of a request into raw.live: its intent before the call, and the outcome after it.
// The record has the header coex-source with the value Source, the WABA id as its key, and no signature. The ingress accepts
// no source of that name, so nobody outside can write one. A processor puts the requests of a number into `syncs`.
//
// Append writes what Decode reads. Decode is strict: a missing property, another type, a value outside of an enumeration, or a
// property that does not fit the state is an *Error. It skips unknown properties, which later versions may have.
//
// The package reads no clock and has no effects.
package syncrequest
