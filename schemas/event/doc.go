// Package event reads the records of the event topics: the decode side of package schemas.
//
// Value is strict where the JSON Schemas are. A missing required property, another type, an empty text, or a value
// outside of a closed enumeration is an error. It is tolerant where docs/consuming.md promises growth: unknown
// properties are skipped, and open enumerations take any text. It is stricter than the schemas in three points: a known
// property is present once, an integer fits into 64 bits (timestamps have no leap seconds), and the value is valid
// UTF-8.
//
// # Who owns the bytes
//
// Texts without escapes, `original` and `profiles` are not copied: they are parts of the record's value. The texts of
// headers are parts of its headers. An event is valid until the record's memory is written to, and keeps all of that
// memory alive. Clone parts that are kept for long (strings.Clone, bytes.Clone).
//
// A syntax error inside `original` is an error of the record. Repeated names in it are none, because they come from the
// vendor.
//
// The package reads no clock and has no effects. It imports package schemas alone.
package event
