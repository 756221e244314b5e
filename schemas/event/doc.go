// Package event reads the records of the event topics: the decode side of package schemas.
//
// Value is strict where the JSON Schemas are: a required property that is missing, another type, an empty text, a value
// outside of a closed enumeration is an error. It is tolerant where docs/consuming.md promises growth: properties that are unknown
// here are skipped, and open enumerations take any text. It is stricter than the schemas in three points: a known property
// stands once, an integer fits into 64 bits (timestamps have no leap seconds), and the value is valid UTF-8.
//
// # Who owns the bytes
//
// Nothing is copied that need not be: texts without escapes, `original` and `profiles` are parts of the record's value, and
// the texts of headers parts of its headers. An event is valid until the record's memory is written to, and keeps all of that
// memory alive. Clone parts that are kept for long (strings.Clone, bytes.Clone).
//
// A syntax error inside `original` is an error of the record. Names that stand twice in it are none: they are the vendor's.
//
// The package reads no clock and has no effects. It imports package schemas alone.
package event
