package ingress

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
)

// requestIDs makes ids that are unique among all processes: 64 random bits for the process, and a counter.
type requestIDs struct {
	process [8]byte
	count   atomic.Uint64
}

// requestIDBytes is the length of an id, in hexadecimal digits.
const requestIDBytes = 32

func newRequestIDs() *requestIDs {
	r := new(requestIDs)
	rand.Read(r.process[:]) // never fails
	return r
}

func (r *requestIDs) next(dst *[requestIDBytes]byte) {
	var id [16]byte
	copy(id[:8], r.process[:])
	binary.BigEndian.PutUint64(id[8:], r.count.Add(1))
	hex.Encode(dst[:], id[:])
}
