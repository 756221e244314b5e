package account

import (
	"strconv"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// EventID is what an account event says: a function of the WABA, entry.time and the value's bytes, so that a webhook that is
// delivered again has the same. It is the ce_id of an event that has a time; of two without one that say the same, the
// second may be another event. scratch is reused and returned.
func EventID(scratch []byte, c *split.Change) (schemas.Hash, []byte) {
	var time [20]byte
	return schemas.HashParts(scratch, []byte(schemas.TypeAccount), c.WABA, strconv.AppendInt(time[:0], c.EntryTime, 10), c.Value)
}
