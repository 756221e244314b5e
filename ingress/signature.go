package ingress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// signatureScheme is how a provider signs: HMAC-SHA256 over the raw body, in hexadecimal digits.
type signatureScheme struct {
	canonical string // name of the header, as Go and fasthttp spell it
	lower     string // the same in lower case, as the records name it
	prefix    string // before the digits
	optional  bool   // the prefix may be missing
}

func schemeOf(provider string) signatureScheme {
	if provider == Provider360Dialog {
		return signatureScheme{"X-360dialog-Signature", "x-360dialog-signature", "sha256=", true}
	}
	return signatureScheme{"X-Hub-Signature-256", "x-hub-signature-256", "sha256=", false}
}

// decode gets the MAC out of a header's value.
func (s *signatureScheme) decode(dst *[sha256.Size]byte, value []byte) bool {
	if len(value) >= len(s.prefix) && string(value[:len(s.prefix)]) == s.prefix {
		value = value[len(s.prefix):]
	} else if !s.optional {
		return false
	}
	if len(value) != 2*sha256.Size {
		return false
	}
	_, err := hex.Decode(dst[:], value)
	return err == nil
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

// matches tells in constant time whether mac is the MAC of body. sum is scratch.
func (s *signer) matches(sum *[sha256.Size]byte, mac, body []byte) bool {
	h := s.pool.Get().(hash.Hash)
	h.Reset()
	h.Write(body)
	got := h.Sum(sum[:0])
	s.pool.Put(h)
	return hmac.Equal(got, mac)
}
