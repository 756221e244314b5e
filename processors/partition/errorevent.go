package partition

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/schemas"
)

// failure emits the errors beside, or instead of, the messages of a value, one event each.
func (p *Partition) failure(l *liveChange) {
	var errs []json.RawMessage
	switch {
	case l.c.Errors[0] == '{': // a single error without its array
		errs = []json.RawMessage{l.c.Errors}
	case json.Unmarshal(l.c.Errors, &errs) != nil:
		p.other(l.o, l.c) // text, or a number
		return
	}
	odd := false
	value := schemas.HashBytes(p.content(l.c, l.c.Value)).AppendHex(nil) // once for all: a long value may have many errors
	for i, failure := range errs {
		if len(failure) == 0 || failure[0] != '{' {
			odd = true
			continue
		}
		var id schemas.Hash
		id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeError), bytesOf(l.n.id.PhoneNumberID), p.content(l.c, failure), value,
			strconv.AppendInt(nil, l.c.EntryTime, 10), strconv.AppendInt(nil, int64(i), 10))
		id, first := p.firstBytes(l, id)
		if !first {
			p.counts.Duplicates[KindMessage]++
			continue
		}
		e := l.event(schemas.TopicMessages, schemas.TypeError)
		m := l.message()
		on(&m, p.people.Named(l.c, l.n.display(l.c, l.o.ReceivedAt), recipientOf(failure)))
		m.Kind, m.Original = schemas.KindError, failure
		e.id, e.time = id, unix(l.c.EntryTime)
		p.put(&e, l.o, p.key(m.PhoneNumberID, cmp.Or(m.Thread, keyOfErrors)), p.message(&m))
	}
	if odd {
		p.other(l.o, l.c)
	}
}

// keyOfErrors is the second part of the key of an error without a recipient. It keeps those of a number in order.
const keyOfErrors = "errors"

// recipientOf returns the recipient that an error names, if any.
func recipientOf(failure json.RawMessage) people.Who {
	text := func(raw json.RawMessage) (id []byte) {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return []byte(s)
		}
		var n json.Number
		if json.Unmarshal(raw, &n) == nil {
			return []byte(n)
		}
		return nil
	}
	var r struct {
		ID           json.RawMessage `json:"recipient_id"`
		UserID       json.RawMessage `json:"recipient_user_id"`
		ParentUserID json.RawMessage `json:"recipient_parent_user_id"`
	}
	if json.Unmarshal(failure, &r) != nil {
		return people.Who{}
	}
	return people.Who{ID: text(r.ID), UserID: text(r.UserID), ParentUserID: text(r.ParentUserID)}
}
