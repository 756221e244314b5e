package account

// Kind is what an account event means for the history syncs of its numbers.
type Kind uint8

// The kinds.
const (
	Neither Kind = iota // nothing
	Closes              // an onboarding is over: what was running will not be continued
	Renews              // one is over and another begins
	Opens               // one begins: a sync that runs is that onboarding's already
)

var kindNames = [...]string{Neither: "neither", Closes: "closes", Renews: "renews", Opens: "opens"}

// String is the kind in lower case.
func (k Kind) String() string { return kindNames[k] }

// KindOf is the kind of value.event.
//
// PARTNER_REMOVED comes when the business disconnects the Cloud API in the app or the account is no longer
// shared with the partner; ACCOUNT_OFFBOARDED and ACCOUNT_RECONNECTED when it moves to another device or
// registers its number again (Meta's Coexistence page and account_update reference). An account that was reconnected was
// offboarded, whether that was told or not. PARTNER_ADDED is the start of an onboarding; it comes late and doubled, amid
// the sync that it began. After ACCOUNT_DELETED nothing can come.
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
