package contacts

import (
	"bytes"

	"github.com/coexstream/coexstream/processors/split"
)

// Change is one item of state_sync[].
type Change struct {
	Number  []byte // phone_number_id of the business
	Phone   []byte // the contact's phone number, or empty
	User    []byte // the contact's BSUID, or empty
	Remove  bool
	Version Version
}

var actionRemove = []byte("remove")

// ChangeOf reads a state_sync item of a business's number. `remove` removes; `add`, and any action that is
// not known, adds or edits. A BSUID that stands in the place of the phone number is a BSUID.
func ChangeOf(number []byte, item *split.ContactItem) Change {
	c := Change{
		Number: number, Phone: item.PhoneNumber, User: item.UserID,
		Remove:  bytes.EqualFold(item.Action, actionRemove),
		Version: Version{TimestampMS: max(item.TimestampMS, 0), Number: max(item.Version, 0), Digest: DigestOf(item.Raw)},
	}
	if isUserID(c.Phone) {
		if len(c.User) == 0 {
			c.User = c.Phone
		}
		c.Phone = nil
	}
	return c
}

// ID is the key of the change's row within its number: the phone number, else the BSUID; empty when the
// change names nobody.
func (c *Change) ID() []byte {
	if len(c.Phone) > 0 {
		return c.Phone
	}
	return c.User
}

// isUserID tells a BSUID, `CC.xxx` or `CC.ENT.xxx` with the two letters of a country, from a phone number.
func isUserID(id []byte) bool {
	return len(id) > 3 && id[2] == '.' && isLetter(id[0]) && isLetter(id[1])
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
