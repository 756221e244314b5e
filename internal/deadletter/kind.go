package deadletter

import "github.com/coexstream/coexstream/schemas"

// ofWebhook reports whether a record is the letter of a webhook endpoint, or a note about one. Those are events, which must not enter the raw
// log again: package sinks/webhook reads them.
func ofWebhook(r *Record) bool {
	return r.Header(schemas.HeaderWebhookEndpoint) != "" || r.Header(schemas.HeaderWebhookResent) != ""
}
