package provider

import "strings"

// SyncAPI is how a provider accepts the requests for contacts and history of an onboarded number.
type SyncAPI struct {
	Address string // base URL, without a slash at the end
	Path    string // of the POST; "{phone_number_id}" stands for the number
	// Header carries the credential, behind Prefix.
	Header, Prefix string
	// Contacts and History are the values of sync_type.
	Contacts, History string
	// RequestID: an accepted request has a request_id in its answer. Without one, the outcome is not known.
	RequestID bool
	// Reads: the API has the fields of a number, the numbers of a WABA and the subscriptions. Otherwise a preflight cannot
	// check them.
	Reads bool
	// Media: an asset is looked up by its id, and downloaded from the URL of the answer with the same credential.
	Media bool
	// PerNumber: a credential belongs to a number. Otherwise it belongs to a WABA.
	PerNumber bool
}

// PathOf returns the path for a number.
func (s *SyncAPI) PathOf(phoneNumberID string) string {
	return strings.ReplaceAll(s.Path, "{phone_number_id}", phoneNumberID)
}

// Syncing returns the providers with a SyncAPI.
func Syncing() []*Provider {
	var ps []*Provider
	for _, p := range all {
		if p.Sync != nil {
			ps = append(ps, p)
		}
	}
	return ps
}
