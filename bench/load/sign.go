package load

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
)

// midstate is an HMAC-SHA256 that has read a template's prefix: signing megabytes costs the digest of
// their end alone. It is crypto/hmac's construction with the inner state kept.
type midstate struct{ inner, outer []byte }

type resumable interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

func newResumable() resumable { return sha256.New().(resumable) }

func newMidstate(secret, prefix []byte) (midstate, error) {
	if len(secret) > sha256.BlockSize {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	var m midstate
	for _, pad := range []struct {
		with  byte
		after []byte
		into  *[]byte
	}{{0x36, prefix, &m.inner}, {0x5c, nil, &m.outer}} {
		block := make([]byte, sha256.BlockSize)
		copy(block, secret)
		for i := range block {
			block[i] ^= pad.with
		}
		h := newResumable()
		h.Write(block)
		h.Write(pad.after)
		state, err := h.MarshalBinary()
		if err != nil {
			return m, fmt.Errorf("keep the state of a digest: %w", err)
		}
		*pad.into = state
	}
	return m, nil
}

// signer signs for one connection.
type signer struct {
	h   resumable
	sum [sha256.Size]byte
}

// sign writes the signature of prefix, slot and suffix as 64 hexadecimal digits.
func (s *signer) sign(dst []byte, m *midstate, slot, suffix []byte) error {
	if err := s.h.UnmarshalBinary(m.inner); err != nil {
		return fmt.Errorf("restore a digest: %w", err)
	}
	s.h.Write(slot)
	s.h.Write(suffix)
	sum := s.h.Sum(s.sum[:0])
	if err := s.h.UnmarshalBinary(m.outer); err != nil {
		return fmt.Errorf("restore a digest: %w", err)
	}
	s.h.Write(sum)
	hex.Encode(dst, s.h.Sum(s.sum[:0]))
	return nil
}
