package ingress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// signatureScheme is the signature of a provider: HMAC-SHA256 over the body, or over a time and the body, in hexadecimal
// digits.
type signatureScheme struct {
	canonical string // name of the header, as Go and fasthttp spell it
	lower     string // the same in lower case, as in the records
	prefix    string // before the digits
	optional  bool   // the prefix may be missing
	stamped   bool   // the header is t=<time>,s=<digits>; the signature covers the time, a dot and the body
}

// decode decodes the value of a signature header: the MAC, and the time that is signed before the body. stamp is a slice
// of value, or nil.
func (s *signatureScheme) decode(dst *[sha256.Size]byte, value []byte) (stamp []byte, ok bool) {
	if s.stamped {
		if stamp, value, ok = stamped(value); !ok {
			return nil, false
		}
	} else if len(value) >= len(s.prefix) && string(value[:len(s.prefix)]) == s.prefix {
		value = value[len(s.prefix):]
	} else if !s.optional {
		return nil, false
	}
	if len(value) != 2*sha256.Size {
		return nil, false
	}
	_, err := hex.Decode(dst[:], value)
	return stamp, err == nil
}

// stampBytesMax is room for any time in seconds, milliseconds or nanoseconds.
const stampBytesMax = 20

// stamped splits t=<time>,s=<digits>, in either order. The age of the time is not checked: senders retry webhooks for
// days, and the processor drops replayed ones.
func stamped(value []byte) (stamp, digits []byte, ok bool) {
	for part := range bytes.SplitSeq(value, []byte{','}) {
		name, v, found := bytes.Cut(bytes.TrimSpace(part), []byte{'='})
		switch {
		case !found:
			return nil, nil, false
		case string(name) == "t" && stamp == nil:
			stamp = v
		case string(name) == "s" && digits == nil:
			digits = v
		case string(name) == "t" || string(name) == "s":
			return nil, nil, false // twice
		}
	}
	if len(stamp) == 0 || len(stamp) > stampBytesMax {
		return nil, nil, false
	}
	for _, c := range stamp {
		if c < '0' || c > '9' {
			return nil, nil, false
		}
	}
	return stamp, digits, true
}

// signer computes MACs with one secret. It is safe for concurrent use.
type signer struct {
	id   []byte
	pool sync.Pool // hash.Hash keyed with the secret; keying costs as much as 200 bytes of body
}

func newSigner(id string, secret Credential) *signer {
	key := []byte(secret)
	return &signer{id: []byte(id), pool: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// dot separates time and body in the signed bytes.
var dot = []byte{'.'}

// matches reports in constant time whether mac is the MAC of body, preceded by stamp if there is one. sum is scratch.
func (s *signer) matches(sum *[sha256.Size]byte, mac, stamp, body []byte) bool {
	h := s.pool.Get().(hash.Hash)
	h.Reset()
	if stamp != nil {
		h.Write(stamp)
		h.Write(dot)
	}
	h.Write(body)
	got := h.Sum(sum[:0])
	s.pool.Put(h)
	return hmac.Equal(got, mac)
}
