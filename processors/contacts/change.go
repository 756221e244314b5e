package contacts

import (
	"bytes"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
)

// Change is one item of state_sync[].
type Change struct {
	Number  []byte // phone_number_id of the business
	Phone   []byte // the contact's phone number in digits, or empty
	User    []byte // the contact's BSUID, or empty
	Remove  bool
	Version Version
}

var actionRemove = []byte("remove")

// ChangeOf converts a state_sync item of a business's number, with its content, of an entry with a time in Unix seconds
// (0: none). `remove` removes; `add`, and any unknown action, adds or edits. A BSUID in the place of the phone number
// is a BSUID. A phone number is its digits.
func ChangeOf(number []byte, item *split.ContactItem, content []byte, entryTime int64, arrival Arrival) Change {
	c := Change{
		Number: number, Phone: identity.Named(identity.Digits(item.PhoneNumber)), User: identity.Named(item.UserID),
		Remove: bytes.EqualFold(item.Action, actionRemove),
		Version: Version{
			TimestampMS: max(item.TimestampMS, 0), Number: max(item.Version, 0), Digest: DigestOf(item, content, entryTime), Arrival: arrival,
		},
	}
	if identity.IsUserID(c.Phone) {
		if len(c.User) == 0 {
			c.User = c.Phone
		}
		c.Phone = nil
	}
	return c
}

// ID returns the key of the change's row within its number: the phone number, else the BSUID. It is empty if the change
// names nobody.
func (c *Change) ID() []byte {
	if len(c.Phone) > 0 {
		return c.Phone
	}
	return c.User
}
