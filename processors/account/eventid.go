package account

import (
	"strconv"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// EventID is what an account event says: a function of the WABA, entry.time, the value's content, and the field where that is
// the event, so that a webhook that is delivered again has the same. It is the ce_id of an event that has a time; two
// without one that say the same may be two events. scratch is reused and returned.
func EventID(scratch []byte, c *split.Change) (schemas.Hash, []byte) {
	var time [20]byte
	content := c.Content(nil, c.Value)
	if len(c.Field) > 0 && string(c.Field) != field {
		return schemas.HashParts(scratch, []byte(schemas.TypeAccount), c.WABA, strconv.AppendInt(time[:0], c.EntryTime, 10), content, c.Field)
	}
	return schemas.HashParts(scratch, []byte(schemas.TypeAccount), c.WABA, strconv.AppendInt(time[:0], c.EntryTime, 10), content)
}
