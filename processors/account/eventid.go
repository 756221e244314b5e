package account

import (
	"bytes"
	"strconv"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// EventID is what an account event says: a function of the WABA, entry.time, the value's content, and the field where that alone
// is the event, so that a webhook that is delivered again has the same. It is the ce_id of an event that has a time; two
// without one that say the same may be two events. scratch is reused and returned.
func EventID(scratch []byte, c *split.Change) (schemas.Hash, []byte) {
	return eventID(scratch, c, c.Content(nil, c.Value))
}

// Said is EventID with another spelling of the number that the value names: one for all, so that spellings make no other event.
func Said(scratch []byte, c *split.Change, phone string) (schemas.Hash, []byte) {
	quoted := func(number []byte) []byte { return append(append([]byte{'"'}, number...), '"') }
	return eventID(scratch, c, bytes.Replace(c.Content(nil, c.Value), quoted(c.PhoneNumber), quoted([]byte(phone)), 1))
}

func eventID(scratch []byte, c *split.Change, content []byte) (schemas.Hash, []byte) {
	var time [20]byte
	if len(c.Field) > 0 && string(c.Field) != field && len(c.AccountEvent) == 0 {
		return schemas.HashParts(scratch, []byte(schemas.TypeAccount), c.WABA, strconv.AppendInt(time[:0], c.EntryTime, 10), content, c.Field)
	}
	return schemas.HashParts(scratch, []byte(schemas.TypeAccount), c.WABA, strconv.AppendInt(time[:0], c.EntryTime, 10), content)
}
