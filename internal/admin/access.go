package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net/http"
	"strings"
)

// Access is who may see what. The zero value lets everybody see all, over plain text, who asks for an IP address or for
// localhost: for a listener that only this machine reaches.
type Access struct {
	TLS *tls.Config // nil: plain text
	// Token is asked for the bearer token at each request, so that it can change; nil: there is none.
	Token func() string
	// ClientCertificates tells that a verified client certificate opens the listener too.
	ClientCertificates bool
	// Hosts are further names by which the listener may be asked; "*": any.
	Hosts []string
}

// allows tells whether a request may see all. What opens the listener, where anything has to, is enough; without it,
// the request must at least be meant for this listener.
func (a *Access) allows(r *http.Request) bool {
	if a.open() {
		return a.addressed(r) && !crossSite(r)
	}
	// A browser brings its certificate for any page that makes it ask, but the token for none.
	if a.ClientCertificates && !crossSite(r) && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	if a.Token == nil {
		return false
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	// Hashes, because comparing the tokens themselves would tell their lengths.
	want, got := sha256.Sum256([]byte(a.Token())), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// open tells whether nothing has to open the listener.
func (a *Access) open() bool { return a.Token == nil && !a.ClientCertificates }

// guard lets only those pass who may.
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
