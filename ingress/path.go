package ingress

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// source is the source whose path a request has; nil when there is none.
//
// Paths are compared byte for byte, with one normalisation: what is escaped with a percent sign is unescaped, once, but for a
// slash, which then is no separator. Neither dots nor doubled slashes are taken out: what stands before this server may decide by
// the path as it came.
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

// withoutAuthority is a target without the scheme and the authority that RFC 9112 lets every request have.
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

// unescaped is a path without its escapes; it is false for a slash that is escaped, and for what is no escape.
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
