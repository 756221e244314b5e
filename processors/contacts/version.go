package contacts

import (
	"cmp"

	"github.com/coexstream/coexstream/schemas"
)

// Version orders the changes of a contact.
type Version struct {
	TimestampMS int64  // metadata.timestamp in Unix milliseconds; 0, where there is none, is the oldest
	Number      int64  // metadata.version; 0 where there is none
	Digest      uint64 // of the item's bytes: equal versions are the same item
}

// DigestOf is the digest of a state_sync item's bytes.
func DigestOf(item []byte) uint64 { return schemas.HashBytes(item).Hi }

// Compare is negative when v is older than w, 0 when they are the same change, positive when v is newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.TimestampMS, w.TimestampMS), cmp.Compare(v.Number, w.Number), cmp.Compare(v.Digest, w.Digest))
}

func (v Version) after(w Version) bool { return v.Compare(w) > 0 }
