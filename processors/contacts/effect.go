package contacts

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// Action is the effect of a record of the `contacts` topic on its row.
type Action uint8

// The actions.
const (
	Put    Action = iota // the row is the change's content
	Remove               // a tombstone: the business removed the contact
	Merge                // a tombstone: the contact's row is, or was, under its other id
)

var actionNames = [...]string{Put: "add", Remove: "remove", Merge: "merge"}

// String is the action as the header schemas.HeaderContactAction has it.
func (a Action) String() string { return actionNames[a] }

// Effect is a record to write to the `contacts` topic. Its slices belong to the change that caused it, or to the Book,
// which does not change them.
type Effect struct {
	ID      []byte // the second part of the record's key
	Action  Action
	Version Version // of the newest change that names ID
	Phone   []byte  // ids that this change names
	User    []byte
	Linked  []byte   // another id of the same contact, which this change does not name
	Tied    []uint64 // digests of older changes of the version's time that name ID
}

// Tombstone reports whether the record has no value.
func (e *Effect) Tombstone() bool { return e.Action != Put }

// under changes the record's key to another spelling of its id.
func (e *Effect) under(id []byte) {
	if bytes.Equal(e.Phone, e.ID) {
		e.Phone = id
	}
	e.ID = id
}

// AppendHeaders calls yield with each header that Restore needs. It appends the values to buf and returns buf. A value
// is valid as long as the caller keeps buf.
func (e *Effect) AppendHeaders(buf []byte, yield func(name string, value []byte)) []byte {
	add := func(name string, grow func([]byte) []byte) {
		at := len(buf)
		buf = grow(buf)
		yield(name, buf[at:len(buf):len(buf)])
	}
	add(schemas.HeaderContactAction, func(b []byte) []byte { return append(b, e.Action.String()...) })
	add(schemas.HeaderContactTimestamp, func(b []byte) []byte { return strconv.AppendInt(b, e.Version.TimestampMS, 10) })
	add(schemas.HeaderContactVersion, func(b []byte) []byte { return strconv.AppendInt(b, e.Version.Number, 10) })
	add(schemas.HeaderContactDigest, func(b []byte) []byte { return appendDigest(b, e.Version.Digest) })
	if e.Version.Arrival != (Arrival{}) {
		add(schemas.HeaderContactArrival, e.Version.Arrival.appendText)
	}
	if len(e.Tied) > 0 {
		add(schemas.HeaderContactTied, func(b []byte) []byte {
			for i, digest := range e.Tied {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendDigest(b, digest)
			}
			return b
		})
	}
	for _, id := range [...]struct {
		name  string
		value []byte
	}{{schemas.HeaderContactPhone, e.Phone}, {schemas.HeaderContactUserID, e.User}, {schemas.HeaderContactLinked, e.Linked}} {
		if len(id.value) > 0 {
			add(id.name, func(b []byte) []byte { return append(b, id.value...) })
		}
	}
	return buf
}

func appendDigest(b []byte, digest uint64) []byte {
	var d [8]byte
	binary.BigEndian.PutUint64(d[:], digest)
	return hex.AppendEncode(b, d[:])
}
