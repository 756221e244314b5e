package account

// Kind is what an account event means for the history syncs of its numbers.
type Kind uint8

// The kinds.
const (
	Neither Kind = iota // nothing
	Closes              // the onboarding is over: what was running will not be continued
	Opens               // an onboarding begins: chunks that are received from then on are a new sync
)

var kindNames = [...]string{Neither: "neither", Closes: "closes", Opens: "opens"}

// String is the kind in lower case.
func (k Kind) String() string { return kindNames[k] }

// KindOf is the kind of value.event.
//
// PARTNER_REMOVED comes when the business disconnects the Cloud API in the app or the account is no longer
// shared with the partner; ACCOUNT_OFFBOARDED and ACCOUNT_RECONNECTED when it moves to another device or
// registers its number again (Meta's Coexistence page and account_update reference). PARTNER_ADDED is the
// start of an onboarding. After ACCOUNT_DELETED nothing can come.
//
// PARTNER_APP_INSTALLED and PARTNER_APP_UNINSTALLED are neither: they tell the permissions of one app, also
// of an app that has nothing to do with the sync, and come in the middle of one.
func KindOf(event []byte) Kind {
	switch string(event) {
	case "PARTNER_REMOVED", "ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED":
		return Closes
	case "PARTNER_ADDED", "ACCOUNT_RECONNECTED":
		return Opens
	}
	return Neither
}
