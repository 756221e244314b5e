package event_test

import (
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// TestCosts guards the reading of events, which every sink does for each of them.
func TestCosts(t *testing.T) {
	cost.Check(t, cost.Operation{Name: "read a message of the past", Per: "event", Start: func(t *testing.T) func(int) {
		return func(times int) {
			for range times {
				if _, err := event.Value(schemas.TypeHistory, benchValue); err != nil {
					t.Fatal(err)
				}
			}
		}
	}})
}
