package ingress

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// signer computes MACs with one secret. It is safe for concurrent use.
type signer struct {
	id   []byte
	pool sync.Pool // hash.Hash keyed with the secret; keying costs as much as 200 bytes of body
}

func newSigner(id string, secret Credential) *signer {
	key := []byte(secret)
	return &signer{id: []byte(id), pool: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// dot separates the time and the body in the signed bytes (provider.Signature).
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
