package account_test

import (
	"testing"

	"github.com/coexstream/coexstream/processors/account"
)

func TestEventsThatMarkTheBoundaryOfAnOnboarding(t *testing.T) {
	for event, want := range map[string]account.Kind{
		"PARTNER_REMOVED": account.Closes, "ACCOUNT_OFFBOARDED": account.Closes,
		"ACCOUNT_RECONNECTED": account.Opens, "PARTNER_ADDED": account.Opens,
		"VERIFIED_ACCOUNT": account.Neither, "DISABLED_UPDATE": account.Neither, "": account.Neither, "partner_removed": account.Neither,
	} {
		if got := account.KindOf([]byte(event)); got != want {
			t.Errorf("KindOf(%q) = %d, want %d", event, got, want)
		}
	}
}

func TestEventConcernsTheNumberThatItNames(t *testing.T) {
	for _, c := range []struct {
		event, display string
		want           bool
	}{
		{"15550783881", "15550783881", true},
		{"15550783881", "+1 555-078-3881", true},
		{"15550783882", "15550783881", false},
		{"", "15550783881", true},
		{"15550783881", "", true},
	} {
		if got := account.Concerns([]byte(c.event), c.display); got != c.want {
			t.Errorf("Concerns(%q, %q) = %v", c.event, c.display, got)
		}
	}
}
