package route

import (
	"testing"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/cost"
)

// The scan is a small part of a request. Its budget would not be missed in that of the request.
func TestCosts(t *testing.T) {
	scan := func(body []byte) func(t *testing.T) func(times int) {
		return func(*testing.T) func(int) {
			return func(times int) {
				for range times {
					LaneAndKey(body)
				}
			}
		}
	}
	cost.Check(t,
		cost.Operation{Name: "route 1 KB", Per: "body", Start: scan(rawtest.Message(1))},
		cost.Operation{Name: "route 1 MB of history", Per: "body", Times: 500, Start: scan(rawtest.History(1 << 20))},
	)
}
