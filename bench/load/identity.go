package load

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// Identity tells a body from all others of the same run and of other runs.
type Identity struct {
	Run        uint32
	Template   uint16
	Connection uint16
	Sequence   uint32 // counts the bodies of a connection from 0
}

const maxConnections = 1 << 15

// An identity stands in its body as a mark and hexadecimal digits: in an echo as its wamid, so that it is
// found again in the event that becomes of it, and in other bodies as a member at the end.
const (
	mark         = "QkVOQ0g"
	identityLen  = len(mark) + 2*identityRaw
	identityRaw  = 12
	slotTemplate = mark + "000000000000000000000000"
)

// put writes the identity into its slot.
func (id Identity) put(slot []byte) {
	var raw [identityRaw]byte
	binary.BigEndian.PutUint32(raw[0:], id.Run)
	binary.BigEndian.PutUint16(raw[4:], id.Template)
	binary.BigEndian.PutUint16(raw[6:], id.Connection)
	binary.BigEndian.PutUint32(raw[8:], id.Sequence)
	copy(slot, mark)
	hex.Encode(slot[len(mark):identityLen], raw[:])
}

// FindIdentity looks for the identity that a body, or an event made of an echo, carries.
func FindIdentity(b []byte) (id Identity, at int, ok bool) {
	at = bytes.LastIndex(b, []byte(mark))
	if at < 0 || len(b) < at+identityLen {
		return id, at, false
	}
	var raw [identityRaw]byte
	if _, err := hex.Decode(raw[:], b[at+len(mark):at+identityLen]); err != nil {
		return id, at, false
	}
	return Identity{
		Run: binary.BigEndian.Uint32(raw[0:]), Template: binary.BigEndian.Uint16(raw[4:]),
		Connection: binary.BigEndian.Uint16(raw[6:]), Sequence: binary.BigEndian.Uint32(raw[8:]),
	}, at, true
}
