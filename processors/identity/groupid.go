package identity

import "bytes"

// IsGroupID tells the id of a group from that of a user by its form: `…@g.us` and `120363…` of 18 digits, as WhatsApp has
// them, and the Groups API's, which is base64 of "capi_group:…". Other ids of groups are known by what says so beside them.
// [Meta: Groups API webhooks]
func IsGroupID(id []byte) bool {
	const suffix, prefix, capi, digits = "@g.us", "120363", "Y2FwaV9ncm91cDo", 18
	switch {
	case len(id) < digits && (len(id) <= len(suffix) || id[len(id)-1] != 's'): // nearly all phone numbers
		return false
	case string(id[len(id)-len(suffix):]) == suffix:
		return true
	case len(id) == digits && hasPrefix(id, prefix):
		return len(bytes.Trim(id, "0123456789")) == 0
	}
	return hasPrefix(id, capi)
}

// IsUnknown reports whether an id has none of the forms by which a user or a group is known.
func IsUnknown(id []byte) bool {
	return len(id) > 0 && !IsPhone(id) && !IsUserID(id) && !IsGroupID(id) && bytes.IndexByte(id, '@') < 0 && bytes.IndexByte(id, ':') < 0
}
