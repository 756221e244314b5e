package ingress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// signatureScheme is how a provider signs: HMAC-SHA256 over the raw body, or over a time and the raw body, in
// hexadecimal digits.
type signatureScheme struct {
	canonical string // name of the header, as Go and fasthttp spell it
	lower     string // the same in lower case, as the records name it
	prefix    string // before the digits
	optional  bool   // the prefix may be missing
	stamped   bool   // the header is t=<time>,s=<digits>, and what is signed is the time, a dot and the body
}

func schemeOf(provider string) signatureScheme {
	switch provider {
	case Provider360Dialog:
		return signatureScheme{canonical: "X-360dialog-Signature", lower: "x-360dialog-signature", prefix: "sha256=", optional: true}
	case ProviderYCloud:
		return signatureScheme{canonical: "Ycloud-Signature", lower: "ycloud-signature", stamped: true}
	}
	return signatureScheme{canonical: "X-Hub-Signature-256", lower: "x-hub-signature-256", prefix: "sha256="}
}

// decode gets the MAC out of a header's value, and what is signed in front of the body: a slice of value, nil where
// that is nothing.
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

// stamped cuts t=<time>,s=<digits>, in either order. How old the time may be is not judged: a webhook that is tried
// again for days is one all the same, and one that comes twice yields no second event.
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

// dot stands between a stamp and the body in what is signed.
var dot = []byte{'.'}

// matches tells in constant time whether mac is the MAC of body, with the stamp in front where there is one. sum is
// scratch.
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
