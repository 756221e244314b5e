package ingress

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/valyala/fasthttp"
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

// signatureOf returns the signature header of a request; nil when there is none and none is required.
func (s *source) signatureOf(h *fasthttp.RequestHeader) ([]byte, *refusal) {
	switch all := h.PeekAll(s.signatureHeader); {
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		s.metrics.signatureMalformed.Inc()
		return nil, refuseMalformed
	case s.required:
		s.metrics.signatureMissing.Inc()
		return nil, refuseUnsigned
	}
	return nil, nil
}

// matches reports whether the signature in x matches body with any of the secrets, and stores the id of the secret.
func (c *credentials) matches(x *exchange, body []byte) bool {
	for _, signer := range c.signers {
		if signer.matches(&x.sum, x.mac[:], x.stamp, body) {
			x.secretID = signer.id
			return true
		}
	}
	return false
}
