package app

import (
	"net/http"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/reload"
)

// adminTransport sends requests to admin listeners with credentials: the token, and as a client certificate that of
// this machine's own listener, which the same authorities trust.
type adminTransport struct {
	*http.Transport
	token string
}

func newAdminTransport(cfg *config.Config) (*adminTransport, error) {
	t := &adminTransport{token: cfg.Admin.Token, Transport: &http.Transport{TLSHandshakeTimeout: 5 * time.Second, Proxy: nil}}
	c := cfg.Admin.TLS
	if c.CertFile == "" {
		return t, nil
	}
	identity := &reload.Identity{Section: "admin.tls", CertFile: c.CertFile, KeyFile: c.KeyFile, AuthorityKey: "client_ca_file", AuthorityFile: c.ClientCAFile}
	if err := watch(nil, identity.Set(nil)); err != nil {
		return nil, err
	}
	t.TLSClientConfig = identity.Client("")
	return t, nil
}

// RoundTrip implements http.RoundTripper.
func (t *adminTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.token != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	return t.Transport.RoundTrip(req)
}
