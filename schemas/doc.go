// Package schemas is the contract of coexstream: the Go types, JSON Schemas and AsyncAPI document of its input
// (webhooks) and its output (events), and the names that both sides share (topics, headers, reason codes, event ids).
//
// Compatibility policy. Within a major version of an event type (the `.v1` at the end of its ce_type):
//   - a property is added, never removed, renamed, or given another type or meaning;
//   - a new property is optional, and a reader ignores properties that it does not know;
//   - an enumeration that is documented as open may grow; readers keep a default branch;
//   - the key of a topic, the id of an event and the order that a topic promises never change.
//
// Anything else is a new type (`.v2`), written beside the old one for at least one minor release.
// The package imports nothing of this module.
//
// Where it stands: the event types and their appenders in events.go and encode.go, the webhook types in
// webhook*.go, the JSON Schemas in jsonschema/ (JSONSchema), the topics as AsyncAPI 3.0 in asyncapi.yaml
// (AsyncAPI). Go types and schemas are compared by test, both ways: neither changes alone. Package
// fixtures holds golden webhooks and broken bodies, package schematest checks records against the contract.
package schemas
