package partition

import (
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// content returns JSON of a change in the form that ids depend on: see split.Change.Content. It is valid until the
// next call.
func (p *Partition) content(c *split.Change, raw []byte) []byte {
	content := c.Content(p.compact[:0], raw)
	if len(content) > 0 && len(content) < len(raw) {
		p.compact = content
	}
	return content
}

// messageKey identifies a message by its wamid, or without one by its content.
func (p *Partition) messageKey(c *split.Change, phoneNumberID string, msg *split.Message) (key schemas.Hash) {
	if len(msg.ID) > 0 {
		key, p.scratch = schemas.MessageKey(p.scratch, bytesOf(phoneNumberID), msg.ID)
	} else {
		key, p.scratch = schemas.HashParts(p.scratch, bytesOf(phoneNumberID), nil, p.content(c, msg.Raw))
	}
	return key
}

// liveKey identifies a live message or echo by the token of its wamid, if it has one. The same message may have a
// wamid with the user's phone number, and another one with the business-scoped user id.
//
// Messages of the past are identified by their whole wamid. Those to a broadcast list share one token in all chats,
// but are different messages.
func (p *Partition) liveKey(c *split.Change, n *number, msg *split.Message) (key schemas.Hash) {
	if w, ok := schemas.ParseWAMID(msg.ID); ok {
		key, p.scratch = schemas.HashParts(p.scratch, bytesOf(n.id.PhoneNumberID), keyOfToken, w.Token())
		return key
	}
	return p.messageKey(c, n.id.PhoneNumberID, msg)
}

var keyOfToken = []byte("token")

func rankOf(msg *split.Message) schemas.Rank {
	return schemas.RankOf(msg.Type, msg.HasErrors, msg.HasContent)
}

// editKey identifies one of the edits under a wamid.
func (p *Partition) editKey(c *split.Change, message schemas.Hash, msg *split.Message) schemas.Hash {
	content := msg.Edit
	if content == nil {
		content = msg.Raw
	}
	return schemas.EditKey(message, msg.Timestamp, p.content(c, content))
}
