package account

import (
	"bytes"

	"github.com/coexstream/coexstream/processors/split"
)

// Kind is what an account event means for the history syncs of its numbers.
type Kind uint8

// The kinds.
const (
	Neither Kind = iota // nothing
	Closes              // an onboarding is over: its syncs will not continue
	Renews              // one is over and another begins
	Opens               // one begins: a sync that runs is that onboarding's already
)

var kindNames = [...]string{Neither: "neither", Closes: "closes", Renews: "renews", Opens: "opens"}

// String is the kind in lower case.
func (k Kind) String() string { return kindNames[k] }

// KindOf is the kind of value.event.
//
// PARTNER_REMOVED comes when the business disconnects the Cloud API in the app or the account is no longer shared with
// the partner. ACCOUNT_OFFBOARDED and ACCOUNT_RECONNECTED come when it moves to another device or registers its number
// again (Meta's Coexistence page and account_update reference). An account that was reconnected was offboarded, with or
// without an event of that. PARTNER_ADDED is the start of an onboarding; it comes late and doubled, during the sync
// that it began. After ACCOUNT_DELETED nothing can come.
//
// PARTNER_APP_INSTALLED and PARTNER_APP_UNINSTALLED are neither: they tell the permissions of one app, also
// of an app that has nothing to do with the sync, and come in the middle of one.
func KindOf(event []byte) Kind {
	switch string(event) {
	case "PARTNER_REMOVED", "ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED":
		return Closes
	case "ACCOUNT_RECONNECTED":
		return Renews
	case "PARTNER_ADDED":
		return Opens
	}
	return Neither
}

// names are the events that are known by name, in the order of KindOf.
var names = [...][]byte{
	[]byte("PARTNER_REMOVED"), []byte("ACCOUNT_OFFBOARDED"), []byte("ACCOUNT_DELETED"), []byte("PARTNER_ADDED"),
	[]byte("ACCOUNT_RECONNECTED"), []byte("PARTNER_APP_INSTALLED"), []byte("PARTNER_APP_UNINSTALLED"),
}

// named returns the event of a known name, in any case of letters; nil: unknown.
func named(event []byte) []byte {
	for _, n := range names {
		if bytes.EqualFold(n, event) {
			return n
		}
	}
	return nil
}

// field is the field of account events.
const field = "account_update"

// EventOf is the event that a change tells, where it tells one: value.event under the field account_update. Some
// applications know an event as a field of its own, account_offboarded, as Meta's headings are. Events that are known
// by name are said in upper case. The result must not be written to.
func EventOf(c *split.Change) (event []byte, ok bool) {
	event = c.AccountEvent
	if string(c.Field) != field {
		n := named(c.Field)
		if n == nil || c.Value == nil {
			return nil, false
		}
		if len(event) == 0 {
			return n, true
		}
	}
	if n := named(event); n != nil {
		event = n
	}
	return event, true
}
