package ingress

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/coexstream/coexstream/schemas/provider"
)

// ErrNotSigned is the error of Verifier.Verify for a record without a signature.
var ErrNotSigned = errors.New("no signature")

var (
	errUnknownSource = errors.New("source is not configured")
	errSignature     = errors.New("signature does not verify")
)

// Verifier verifies the signatures of raw records with the secrets of the configured sources, as a replay does. It is not
// safe for concurrent use.
type Verifier struct {
	sources map[string]*signedSource
	sum     [sha256.Size]byte
}

type signedSource struct {
	signature provider.Signature
	signers   []*signer
}

// NewVerifier makes a Verifier with the secrets of sources, which have to be valid.
func NewVerifier(sources []Source) *Verifier {
	v := &Verifier{sources: map[string]*signedSource{}}
	for i := range sources {
		s := &signedSource{signature: provider.Named(sources[i].Provider).Signature}
		for _, secret := range sources[i].Secrets {
			s.signers = append(s.signers, newSigner(secret.ID, secret.Value))
		}
		v.sources[sources[i].Name] = s
	}
	return v
}

// Verify verifies the signature of a body. source, signature and secretID come from the headers of the record. The secret
// that matched at the edge is tried first, then the others, because its id may have changed.
func (v *Verifier) Verify(source, signature, secretID, body []byte) error {
	if len(signature) == 0 { // also a record of the desk, which no source can write
		return ErrNotSigned
	}
	s := v.sources[string(source)]
	if s == nil {
		return fmt.Errorf("%w: %q", errUnknownSource, source)
	}
	var mac [sha256.Size]byte
	stamp, ok := s.signature.Decode(&mac, signature)
	if !ok {
		return fmt.Errorf("%w: the header is malformed", errSignature)
	}
	for _, named := range []bool{true, false} {
		for _, signer := range s.signers {
			if bytes.Equal(signer.id, secretID) == named && signer.matches(&v.sum, mac[:], stamp, body) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w with any of the %d secrets of source %s; it was made with secret %q", errSignature, len(s.signers), source, secretID)
}
