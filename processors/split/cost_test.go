package split

import (
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
)

// TestCosts guards the scanner: it allocates nothing, for any number of messages.
func TestCosts(t *testing.T) {
	scanning := func(body []byte) func(t *testing.T) func(int) {
		return func(t *testing.T) func(int) {
			s := NewScanner(Limits{})
			return func(times int) {
				for range times {
					if _, err := s.Scan(body); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	cost.Check(t,
		cost.Operation{Name: "1 MB of history", Per: "body", Times: 10, Start: scanning(historyBody(1 << 20))},
		cost.Operation{Name: "an echo", Per: "body", Start: scanning([]byte(samples["echoes"]))},
	)
}
