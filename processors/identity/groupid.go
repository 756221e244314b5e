package identity

import "bytes"

// IsGroupID reports by the form of an id whether it is that of a group. WhatsApp has `…@g.us` in any case, `120363…` of
// 18 digits and `5511987654321-1612345678` (the number of the creator, and the time). The Groups API has base64 of
// "capi_group:…". Other ids of groups are recognised by the fields beside them. [Meta: Groups API webhooks]
func IsGroupID(id []byte) bool {
	// Neither holds of nearly all phone numbers.
	return (len(id) >= groupDigits || len(id) > 5 && id[len(id)-1]|0x20 == 's') && isGroupID(id)
}

const groupDigits = 18

func isGroupID(id []byte) bool {
	const prefix, capi = "120363", "Y2FwaV9ncm91cDo"
	switch {
	case bytes.EqualFold(id[len(id)-len(groupSuffix):], groupSuffix):
		return true
	case len(id) == groupDigits && hasPrefix(id, prefix):
		return onlyDigits(id)
	}
	return hasPrefix(id, capi) || isOldGroupID(id)
}

var groupSuffix = []byte("@g.us")

// isOldGroupID tells the id of a group of before 2021, without its suffix. No phone number has as many digits.
func isOldGroupID(id []byte) bool {
	const creatorMin, seconds = 8, 10
	at := len(id) - seconds - 1
	return at >= creatorMin && id[at] == '-' && id[at+1] == '1' && onlyDigits(id[:at]) && onlyDigits(id[at+1:])
}

func onlyDigits(id []byte) bool { return len(bytes.Trim(id, "0123456789")) == 0 }

// IsUnknown reports whether an id has none of the forms by which a user or a group is known.
func IsUnknown(id []byte) bool {
	return len(id) > 0 && !IsPhone(id) && !IsUserID(id) && !IsGroupID(id) && bytes.IndexByte(id, '@') < 0 && bytes.IndexByte(id, ':') < 0
}
