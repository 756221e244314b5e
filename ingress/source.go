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

	"github.com/coexstream/coexstream/schemas/provider"
)

// source is a Source, ready to serve.
type source struct {
	name, provider []byte
	requestsMax    int64
	required       bool
	clientCN       string // of the client certificate; empty: none is needed
	signature      provider.Signature
	verification   provider.Verification
	// Name of the signature header: as Go and fasthttp spell it, and in lower case, as in the records.
	signatureHeader string
	signatureName   []byte
	credentials     atomic.Pointer[credentials]

	requests, bytes rate
	inFlight        atomic.Int64
	metrics         *sourceMetrics
}

// credentials are the values of a source that can change while the server runs.
type credentials struct {
	signers    []*signer
	verifiable bool
	token      [sha256.Size]byte // hash of the verify token: comparing hashes does not reveal its length
}

func newCredentials(token Credential, secrets []Secret) *credentials {
	c := &credentials{verifiable: token != "", token: sha256.Sum256([]byte(token))}
	for _, secret := range secrets {
		c.signers = append(c.signers, newSigner(secret.ID, secret.Value))
	}
	return c
}

func newSource(cfg *Source, metrics *sourceMetrics) *source {
	p := provider.Named(cfg.Provider) // validated
	s := &source{
		name: []byte(cfg.Name), provider: []byte(cfg.Provider),
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

// enter counts a request in flight. It returns false at the limit.
func (s *source) enter() bool {
	if n := s.inFlight.Add(1); s.requestsMax > 0 && n > s.requestsMax {
		s.inFlight.Add(-1)
		return false
	}
	return true
}

func (s *source) leave() { s.inFlight.Add(-1) }

// checkCertificate checks the client certificate, where the source asks for one.
func (s *source) checkCertificate(c net.Conn) *refusal {
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

// overRate refuses a request when the source has used up one of its rates.
func (s *source) overRate(now time.Time) *refusal {
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

// countRate counts a webhook that is about to be accepted, or refuses it.
func (s *source) countRate(now time.Time, bytes int) *refusal {
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

// accepts reports whether a content type is JSON or missing.
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
	tokensWrong, tokensLimitedClient, tokensLimitedAll      prometheus.Counter
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
