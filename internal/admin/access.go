package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net/http"
	"strings"
)

// Access is who may see what. The zero value lets everybody see all, over plain text: for a listener that
// only this machine reaches.
type Access struct {
	TLS *tls.Config // nil: plain text
	// Token is asked for the bearer token at each request, so that it can change; nil: there is none.
	Token func() string
	// ClientCertificates tells that a verified client certificate opens the listener too.
	ClientCertificates bool
}

// allows tells whether a request brings what opens the listener, if anything has to.
func (a *Access) allows(r *http.Request) bool {
	if a.Token == nil && !a.ClientCertificates {
		return true
	}
	if a.ClientCertificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
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

// guard lets only those pass who may.
func (a *Access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.allows(r) {
			w.Header().Set("Www-Authenticate", `Bearer realm="coexstream admin"`)
			answer(w, http.StatusUnauthorized, map[string]string{"error": "needs the bearer token (admin.token) or a client certificate (admin.tls.client_ca_file)"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
