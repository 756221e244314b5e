// Package envelope writes the bodies of webhooks: events as CloudEvents, and as Meta's own webhooks. It has no effects.
//
// A CloudEvent has the value of the record as `data`, byte for byte. A webhook of Meta is rebuilt around the vendor's object
// (`original`), which it has byte for byte: one change for each event, in the order of the events, below one entry for each run of
// events with the same entry. Properties that the pipeline worked out are not in it.
package envelope
