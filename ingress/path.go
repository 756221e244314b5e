package ingress

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// source returns the source with the path of a request; nil when there is none.
//
// Paths are compared byte for byte after one normalisation: percent escapes are decoded once. An escaped slash is no
// separator and matches nothing. Dots and doubled slashes stay, because a proxy may have decided by the path as received.
func (s *Server) source(h *fasthttp.RequestHeader) *source {
	target := h.RequestURI()
	if src := s.sources[string(target)]; src != nil {
		return src
	}
	path, _, _ := bytes.Cut(withoutAuthority(target), []byte("?"))
	if bytes.IndexByte(path, '%') < 0 {
		return s.sources[string(path)]
	}
	path, ok := unescaped(path)
	if !ok {
		return nil
	}
	return s.sources[string(path)]
}

// withoutAuthority removes scheme and authority, which RFC 9112 allows in every request target.
func withoutAuthority(target []byte) []byte {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) > len(scheme) && bytes.EqualFold(target[:len(scheme)], []byte(scheme)) {
			rest := target[len(scheme):]
			if i := bytes.IndexAny(rest, "/?"); i >= 0 {
				return rest[i:]
			}
			return nil
		}
	}
	return target
}

// unescaped decodes percent escapes. It returns false for an escaped slash and for a malformed escape.
func unescaped(path []byte) ([]byte, bool) {
	plain := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			plain = append(plain, path[i])
			continue
		}
		if i+2 >= len(path) {
			return nil, false
		}
		high, ok1 := hexDigit(path[i+1])
		low, ok2 := hexDigit(path[i+2])
		c := byte(high<<4 | low)
		if !ok1 || !ok2 || c == '/' {
			return nil, false
		}
		plain = append(plain, c)
		i += 2
	}
	return plain, true
}
