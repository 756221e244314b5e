// Package contentcoding undoes the content codings of an HTTP body (RFC 9110, section 8.4) within
// limits, so that a few bytes on the wire cannot become a flood in memory.
//
// It knows gzip (and x-gzip), deflate (in its zlib envelope, and bare as some senders have it), br and zstd, and lists
// of them. All or nothing: an error means that no byte of the result may be used. A body that continues after the end
// of its coding, or ends before it, is corrupt.
package contentcoding

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits bound the output of decoding. A zero field has its default.
type Limits struct {
	BytesMax int // decoded bytes, of the result and of each stage
	RatioMax int // decoded bytes for each byte on the wire, enforced above RatioFree
}

const (
	// DefaultBytesMax is the default of Limits.BytesMax.
	DefaultBytesMax = 16 << 20
	// DefaultRatioMax is the default of Limits.RatioMax. Webhooks, which repeat themselves a lot,
	// reach 20 to 40.
	DefaultRatioMax = 200
	// RatioFree is how many decoded bytes are never held against the ratio: a short body of repeated
	// text may compress beyond any ratio without harm.
	RatioFree = 64 << 10
	// codingsMax is the maximum number of codings of a body. Senders use at most two.
	codingsMax = 3
)

// The kinds of errors. Every error of Decode is one of them for errors.Is.
var (
	ErrUnsupported = errors.New("content coding not supported")
	ErrTooLong     = errors.New("decoded body too long")
	ErrCorrupt     = errors.New("encoded body corrupt")
)

// Supported lists the codings, as an Accept-Encoding header has them.
const Supported = "gzip, deflate, br, zstd"

// Bound is the most that Decode can return for a body of n bytes on the wire.
func (l Limits) Bound(n int) int {
	l = l.withDefaults()
	return min(l.BytesMax, max(RatioFree, l.RatioMax*n))
}

func (l Limits) withDefaults() Limits {
	if l.BytesMax == 0 {
		l.BytesMax = DefaultBytesMax
	}
	if l.RatioMax == 0 {
		l.RatioMax = DefaultRatioMax
	}
	return l
}

// Identity reports whether a Content-Encoding header asks for no decoding at all: it is empty, or names
// nothing but "identity".
func Identity[S ~string | ~[]byte](encoding S) bool {
	rest := []byte(encoding)
	var name []byte
	for len(rest) > 0 {
		rest, name = cutLast(rest)
		if len(name) != 0 && !bytes.EqualFold(name, []byte("identity")) {
			return false
		}
	}
	return true
}

// Decode undoes the codings of a Content-Encoding header value, the last one first, and appends the
// result to dst[:0], which must not overlap body. An identity body is copied.
//
// The errors are ErrUnsupported (an unknown coding, or too many), ErrTooLong (one of the limits) and
// ErrCorrupt; their text names the coding and holds nothing of the body.
func Decode[S ~string | ~[]byte](dst []byte, encoding S, body []byte, lim Limits) ([]byte, error) {
	lim = lim.withDefaults()
	bound := lim.Bound(len(body))

	var codings [codingsMax]coding
	n := 0
	rest := []byte(encoding)
	var name []byte
	for len(rest) > 0 {
		rest, name = cutLast(rest)
		if len(name) == 0 || bytes.EqualFold(name, []byte("identity")) {
			continue
		}
		c, ok := parseCoding(name)
		if !ok {
			return dst[:0], fmt.Errorf("%w, only %s", ErrUnsupported, Supported) // not which: the header is the sender's text
		}
		if n == codingsMax {
			return dst[:0], fmt.Errorf("%w: more than %d codings", ErrUnsupported, codingsMax)
		}
		codings[n] = c
		n++
	}
	if n == 0 {
		if len(body) > lim.BytesMax {
			return dst[:0], tooLong(len(body), lim, bound)
		}
		return append(dst[:0], body...), nil
	}

	in := body
	for i, c := range codings[:n] {
		out := []byte(nil)
		if i == n-1 {
			out = dst[:0]
		}
		out, err := c.decode(out, in, bound)
		switch {
		case errors.Is(err, errBound):
			return dst[:0], fmt.Errorf("decode %s: %w", c, tooLong(len(body), lim, bound))
		case err != nil:
			return dst[:0], fmt.Errorf("decode %s: %w: %w", c, ErrCorrupt, err)
		}
		in = out
	}
	return in, nil
}

// tooLong says which limit it was.
func tooLong(wire int, lim Limits, bound int) error {
	if bound < lim.BytesMax {
		return fmt.Errorf("%w: more than %d times the %d bytes received", ErrTooLong, lim.RatioMax, wire)
	}
	return fmt.Errorf("%w: more than %d bytes", ErrTooLong, lim.BytesMax)
}

// cutLast takes the last element off a comma-separated list.
func cutLast(list []byte) (rest, last []byte) {
	if i := bytes.LastIndexByte(list, ','); i >= 0 {
		return list[:i], bytes.TrimSpace(list[i+1:])
	}
	return nil, bytes.TrimSpace(list)
}
