package truth

import (
	"encoding/hex"
	"fmt"

	"github.com/coexstream/coexstream/schemas"
)

// Digest is the identity of a byte string; the zero Digest means none.
type Digest schemas.Hash

// Sum is the digest of b.
func Sum(b []byte) Digest { return Digest(schemas.HashBytes(b)) }

// IsZero reports whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// String is the digest as 32 hexadecimal digits.
func (d Digest) String() string { return schemas.Hash(d).Hex() }

// AppendText writes the digest as 32 hexadecimal digits, the zero digest as nothing.
func (d Digest) AppendText(b []byte) ([]byte, error) {
	if d.IsZero() {
		return b, nil
	}
	return schemas.Hash(d).AppendHex(b), nil
}

// MarshalText is AppendText into a new slice.
func (d Digest) MarshalText() ([]byte, error) { return d.AppendText(nil) }

// UnmarshalText parses the result of AppendText.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	var b [16]byte
	if len(text) != 32 {
		return fmt.Errorf("digest %q: %d characters instead of 32", text, len(text))
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return fmt.Errorf("digest %q: %w", text, err)
	}
	for i := range 8 {
		d.Hi = d.Hi<<8 | uint64(b[i])
		d.Lo = d.Lo<<8 | uint64(b[i+8])
	}
	return nil
}
