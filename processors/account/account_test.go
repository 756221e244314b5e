package account_test

import (
	"testing"

	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// docs/webhooks.md, History: account_update events PARTNER_REMOVED, ACCOUNT_OFFBOARDED, ACCOUNT_RECONNECTED mark
// the boundary.
func TestEventsThatPartTwoOnboardings(t *testing.T) {
	for event, want := range map[string]account.Kind{
		"PARTNER_REMOVED": account.Closes, "ACCOUNT_OFFBOARDED": account.Closes,
		"ACCOUNT_RECONNECTED": account.Renews, "PARTNER_ADDED": account.Opens,
		"ACCOUNT_DELETED":       account.Closes,
		"PARTNER_APP_INSTALLED": account.Neither, "PARTNER_APP_UNINSTALLED": account.Neither,
		"VERIFIED_ACCOUNT": account.Neither, "ACCOUNT_RESTRICTION": account.Neither,
		"AN_EVENT_OF_TOMORROW": account.Neither, "": account.Neither,
	} {
		if got := account.KindOf([]byte(event)); got != want {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
}

func TestEventConcernsTheNumberThatItNamesOrAll(t *testing.T) {
	for _, test := range []struct {
		phone, display string
		want           bool
	}{
		{"15550783881", "15550783881", true},
		{"15550783881", "+1 555-078-3881", true},
		{"+1 (555) 078-3881", "15550783881", true},
		{"15550783881", "15550783882", false},
		{"15550783881", "1555078388", false},
		{"15550783881", "1555783881", false}, // a 0 and a 9 are digits as all others
		{"15559783881", "1555783881", false},
		{"1555078388", "15550783881", false},
		{"15550783881", "", true}, // its display number is not known yet
		{"", "15550783881", true},
		{"", "", true},
		{"n/a", "15550783881", true}, // names no number
		{"tel:+15550783881", "15550783881", true},
		// The spellings of one mobile number.
		{"5511987654321", "551187654321", true},
		{"551187654321", "+55 11 98765-4321", true},
		{"5215512345678", "525512345678", true},
		{"541112345678", "5491112345678", true},
		{"5511987654321", "551187654322", false},
	} {
		if got := account.Concerns([]byte(test.phone), test.display); got != test.want {
			t.Errorf("Concerns(%q, %q) = %v", test.phone, test.display, got)
		}
	}
}

// docs/webhooks.md, History: account events can be duplicated, late, and stamped out of order by a second.
func TestEventIDIsAFunctionOfTheContent(t *testing.T) {
	base := split.Change{Entry: 1, WABA: []byte("102290129340398"), EntryTime: 1739212624, Value: []byte(`{"event":"PARTNER_REMOVED"}`)}
	id := func(change func(*split.Change)) schemas.Hash {
		c := base
		change(&c)
		h, _ := account.EventID(nil, &c)
		return h
	}
	first := id(func(*split.Change) {})
	if again := id(func(c *split.Change) { c.Entry, c.Index = 3, 2 }); again != first {
		t.Error("the same event at another place of a body has another id")
	}
	for name, change := range map[string]func(*split.Change){
		"WABA":  func(c *split.Change) { c.WABA = []byte("102290129340399") },
		"time":  func(c *split.Change) { c.EntryTime++ },
		"value": func(c *split.Change) { c.Value = []byte(`{"event":"PARTNER_ADDED"}`) },
	} {
		if id(change) == first {
			t.Errorf("another %s, and yet the same id", name)
		}
	}
}

func TestAnEventUnderAFieldOfItsOwnHasAnIDOfItsOwn(t *testing.T) {
	change := split.Change{WABA: []byte("102290129340398"), EntryTime: 1739212624, Value: []byte(`{"phone_number":"15550783881"}`)}
	id := func(field string) schemas.Hash {
		c := change
		c.Field = []byte(field)
		h, _ := account.EventID(nil, &c)
		return h
	}
	if id("account_update") != id("") {
		t.Error("account_update is named, and yet the id is another than where no field is")
	}
	if id("account_offboarded") == id("account_update") || id("account_offboarded") == id("account_reconnected") {
		t.Error("the field is the event, and two events have one id")
	}
}

// docs/webhooks.md, H32: account events arrive as fields of their own, and with lower-case names.
func TestAnEventIsToldByItsNameOrByItsField(t *testing.T) {
	for _, test := range []struct {
		field, event, value string
		want                string
		ok                  bool
	}{
		{"account_update", "PARTNER_REMOVED", "{}", "PARTNER_REMOVED", true},
		{"account_update", "partner_removed", "{}", "PARTNER_REMOVED", true},
		{"account_update", "an_event_of_tomorrow", "{}", "an_event_of_tomorrow", true},
		{"account_update", "", "{}", "", true},
		{"account_offboarded", "", "{}", "ACCOUNT_OFFBOARDED", true},
		{"account_reconnected", "", "{}", "ACCOUNT_RECONNECTED", true},
		{"Account_Deleted", "", "{}", "ACCOUNT_DELETED", true},
		{"partner_added", "", "{}", "PARTNER_ADDED", true},
		{"partner_removed", "account_offboarded", "{}", "ACCOUNT_OFFBOARDED", true}, // the value says more than the field
		{"partner_app_installed", "", "{}", "PARTNER_APP_INSTALLED", true},
		{"partner_app_uninstalled", "", "{}", "PARTNER_APP_UNINSTALLED", true},
		{"account_offboarded", "", "", "", false}, // without a value it tells nothing
		{"history", "PARTNER_REMOVED", "{}", "", false},
		{"account_alerts", "", "{}", "", false},
		{"", "PARTNER_REMOVED", "{}", "", false},
	} {
		c := split.Change{Field: []byte(test.field), AccountEvent: []byte(test.event)}
		if test.value != "" {
			c.Value = []byte(test.value)
		}
		event, ok := account.EventOf(&c)
		if string(event) != test.want || ok != test.ok {
			t.Errorf("field %q, event %q: %q, %v; want %q, %v", test.field, test.event, event, ok, test.want, test.ok)
		}
	}
}
