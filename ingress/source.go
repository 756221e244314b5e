package ingress

import (
	"bytes"
	"crypto/sha256"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/schemas/provider"
)

// source is a Source, ready to serve.
type source struct {
	name, sender []byte // sender is the provider's name
	requestsMax  int64
	required     bool
	clientCN     string // of the client certificate; empty: none is needed
	signature    provider.Signature
	verification provider.Verification
	// The signature's header, as Go and fasthttp write it, and in lower case, as records name it.
	signatureHeader string
	signatureName   []byte
	credentials     atomic.Pointer[credentials]

	requests, bytes rate
	inFlight        atomic.Int64
	metrics         *sourceMetrics
}

// credentials are what changes while a server runs.
type credentials struct {
	signers    []*signer
	verifiable bool
	token      [sha256.Size]byte // hash of the verify token: comparing hashes tells nothing, not even its length
}

func newCredentials(token Credential, secrets []Secret) *credentials {
	c := &credentials{verifiable: token != "", token: sha256.Sum256([]byte(token))}
	for _, secret := range secrets {
		c.signers = append(c.signers, newSigner(secret.ID, secret.Value))
	}
	return c
}

func newSource(cfg *Source, metrics *sourceMetrics) *source {
	p := provider.Named(cfg.Provider) // Validate has refused unknown ones
	s := &source{
		name: []byte(cfg.Name), sender: []byte(cfg.Provider),
		requestsMax: int64(cfg.RequestsMax),
		required:    cfg.SignatureRequired,
		signature:   p.Signature, verification: p.Verification,
		signatureHeader: textproto.CanonicalMIMEHeaderKey(p.Signature.Header),
		signatureName:   []byte(strings.ToLower(p.Signature.Header)),
		clientCN:        cfg.ClientCN,
		metrics:         metrics,
	}
	s.requests.perSecond, s.bytes.perSecond = cfg.RequestsPerSecond, cfg.BytesPerSecond
	s.credentials.Store(newCredentials(cfg.VerifyToken, cfg.Secrets))
	return s
}

// enter counts a request in, or says that there are enough.
func (s *source) enter() bool {
	if n := s.inFlight.Add(1); s.requestsMax > 0 && n > s.requestsMax {
		s.inFlight.Add(-1)
		return false
	}
	return true
}

func (s *source) leave() { s.inFlight.Add(-1) }

// signatureOf is the request's signature header; nil when there is none. It fails where the headers
// alone decide.
func (s *source) signatureOf(h *fasthttp.RequestHeader) ([]byte, *refusal) {
	switch all := h.PeekAll(s.signatureHeader); {
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		s.metrics.signatureMalformed.Inc()
		return nil, refuseMalformed
	case s.required:
		s.metrics.signatureMissing.Inc()
		return nil, refuseUnsigned
	}
	return nil, nil
}

// matches tells whether the signature in x is that of body, by any of the secrets, and keeps which.
func (c *credentials) matches(x *exchange, body []byte) bool {
	for _, signer := range c.signers {
		if signer.matches(&x.sum, x.mac[:], x.stamp, body) {
			x.secretID = signer.id
			return true
		}
	}
	return false
}

// admits checks the client certificate, where the source asks for one.
func (s *source) admits(c net.Conn) *refusal {
	if s.clientCN == "" {
		return nil
	}
	name := ""
	if own, ok := c.(*conn); ok {
		name = own.clientCN
	}
	switch name {
	case s.clientCN:
		return nil
	case "":
		s.metrics.certificateMissing.Inc()
		return refuseNoCertificate
	}
	s.metrics.certificateOther.Inc()
	return refuseCertificate
}

// spent tells whether the source has used up one of its rates.
func (s *source) spent(now time.Time) *refusal {
	switch {
	case s.requests.exhausted(now):
		s.metrics.limitedRequests.Inc()
		return refuseRate
	case s.bytes.exhausted(now):
		s.metrics.limitedBytes.Inc()
		return refuseRate
	}
	return nil
}

// spend counts a webhook that is about to be accepted against the rates.
func (s *source) spend(now time.Time, bytes int) *refusal {
	if !s.requests.take(now, 1) {
		s.metrics.limitedRequests.Inc()
		return refuseRate
	}
	if !s.bytes.take(now, int64(bytes)) {
		s.metrics.limitedBytes.Inc()
		return refuseRate
	}
	return nil
}

// accepts tells whether a content type is JSON, or not told.
func accepts(contentType []byte) bool {
	if len(contentType) == 0 {
		return true
	}
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	media = bytes.TrimSpace(media)
	const prefix, suffix = "application/", "+json"
	if len(media) < len(prefix) || !bytes.EqualFold(media[:len(prefix)], []byte(prefix)) {
		return false
	}
	sub := media[len(prefix):]
	return bytes.EqualFold(sub, []byte("json")) ||
		len(sub) > len(suffix) && bytes.EqualFold(sub[len(sub)-len(suffix):], []byte(suffix))
}

// sourceMetrics are the metrics of one source.
type sourceMetrics struct {
	codes                                                   [len(statusCodes) + 1]prometheus.Counter
	duration, bodyBytes                                     prometheus.Observer
	signatureMissing, signatureMalformed, signatureMismatch prometheus.Counter
	certificateMissing, certificateOther                    prometheus.Counter
	limitedRequests, limitedBytes                           prometheus.Counter
	otherTypes                                              prometheus.Counter
	guessesWrong, guessesClient, guessesAll                 prometheus.Counter
}

// answered counts a request.
func (m *sourceMetrics) answered(code int) {
	for i, c := range statusCodes {
		if c == code {
			m.codes[i].Inc()
			return
		}
	}
	m.codes[len(statusCodes)].Inc()
}
