package ingress

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/coexstream/coexstream/schemas/provider"
)

// The errors of Verifier.Verify, for errors.Is.
var (
	ErrNotSigned     = errors.New("no signature")
	ErrUnknownSource = errors.New("source is not configured")
	ErrSignature     = errors.New("signature does not verify")
)

// Verifier verifies the signatures of raw records again, with the secrets of the configured sources. It is not
// safe for concurrent use.
type Verifier struct {
	sources map[string]*verified
	sum     [sha256.Size]byte
}

type verified struct {
	signature provider.Signature
	signers   []*signer
}

// NewVerifier knows the secrets of sources, which are valid.
func NewVerifier(sources []Source) *Verifier {
	v := &Verifier{sources: map[string]*verified{}}
	for i := range sources {
		s := &verified{signature: provider.Named(sources[i].Provider).Signature}
		for _, secret := range sources[i].Secrets {
			s.signers = append(s.signers, newSigner(secret.ID, secret.Value))
		}
		v.sources[sources[i].Name] = s
	}
	return v
}

// Verify holds a body against its signature: source, signature and secretID are what the record's headers say.
// The secret that matched when the body came is tried first, then the others: it may have another id by now.
func (v *Verifier) Verify(source, signature, secretID, body []byte) error {
	if len(signature) == 0 {
		return ErrNotSigned
	}
	s := v.sources[string(source)]
	if s == nil {
		return fmt.Errorf("%w: %q", ErrUnknownSource, source)
	}
	var mac [sha256.Size]byte
	stamp, ok := s.signature.Decode(&mac, signature)
	if !ok {
		return fmt.Errorf("%w: the header is malformed", ErrSignature)
	}
	for _, named := range []bool{true, false} {
		for _, signer := range s.signers {
			if bytes.Equal(signer.id, secretID) == named && signer.matches(&v.sum, mac[:], stamp, body) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w with any of the %d secrets of source %s; it was made with secret %q", ErrSignature, len(s.signers), source, secretID)
}
