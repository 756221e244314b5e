package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net/http"
	"strings"
)

// Access limits the access to the listener. The zero value is for a listener that only this machine reaches: plain text,
// and full access for requests whose Host is an IP address or localhost.
type Access struct {
	TLS *tls.Config // nil: plain text
	// Token returns the bearer token. It is called for each request, because the token can change. nil: no token.
	Token func() string
	// ClientCertificates: a verified client certificate gives access too.
	ClientCertificates bool
	// Hosts are further allowed names of the header Host; "*": any.
	Hosts []string
}

// allows reports whether a request has full access: by a token or certificate where one is required, otherwise by an
// allowed Host.
func (a *Access) allows(r *http.Request) bool {
	if a.open() {
		return a.addressed(r) && !crossSite(r)
	}
	// A browser sends its certificate with requests of any page, but the token with none.
	if a.ClientCertificates && !crossSite(r) && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	if a.Token == nil {
		return false
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	// Hashes, because a comparison of the tokens would reveal their lengths.
	want, got := sha256.Sum256([]byte(a.Token())), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// open reports whether neither token nor certificate is required.
func (a *Access) open() bool { return a.Token == nil && !a.ClientCertificates }

// guard refuses requests without access.
func (a *Access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.allows(r):
			next.ServeHTTP(w, r)
		case a.open():
			answer(w, http.StatusForbidden, map[string]string{"error": "the Host is neither an IP address nor localhost nor in admin.hosts, or a page of another site asks"})
		default:
			w.Header().Set("Www-Authenticate", `Bearer realm="coexstream admin"`)
			answer(w, http.StatusUnauthorized, map[string]string{"error": "needs the bearer token (admin.token) or a client certificate (admin.tls.client_ca_file)"})
		}
	})
}
