package schemas

import (
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
)

// TestCosts guards the encoding of events, which happens for each message.
func TestCosts(t *testing.T) {
	encoding := func(v appender) func(t *testing.T) func(int) {
		return func(*testing.T) func(int) {
			buf := v.AppendJSON(nil)
			return func(times int) {
				for range times {
					buf = v.AppendJSON(buf[:0])
				}
			}
		}
	}
	cost.Check(t,
		cost.Operation{Name: "encode a message", Per: "event", Start: encoding(sampleMessage())},
		cost.Operation{Name: "encode a contact", Per: "event", Start: encoding(&ContactState{WABAID: "102290129340398", ID: "16505551234", FullName: "Zoë \"Z\"", Original: rawOf(`{}`)})},
		cost.Operation{Name: "encode a sync", Per: "event", Start: encoding(sampleSync())},
	)
}
