package ingress

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// source is a Source, ready to serve.
type source struct {
	name, provider []byte
	requestsMax    int64
	required       bool
	signature      signatureScheme
	signatureName  []byte // lower case
	signers        []*signer

	verifiable bool
	token      [sha256.Size]byte // hash of the verify token: comparing hashes tells nothing, not even its length

	inFlight atomic.Int64
	metrics  *sourceMetrics
}

func newSource(cfg *Source, metrics *sourceMetrics) *source {
	scheme := schemeOf(cfg.Provider)
	s := &source{
		name: []byte(cfg.Name), provider: []byte(cfg.Provider),
		requestsMax: int64(cfg.RequestsMax),
		required:    cfg.SignatureRequired,
		signature:   scheme, signatureName: []byte(scheme.lower),
		verifiable: cfg.VerifyToken != "", token: sha256.Sum256([]byte(cfg.VerifyToken)),
		metrics: metrics,
	}
	for _, secret := range cfg.Secrets {
		s.signers = append(s.signers, newSigner(secret.ID, secret.Value))
	}
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

// verify answers the GET with which a webhook is subscribed: the challenge, if the token is right.
func (s *source) verify(ctx *fasthttp.RequestCtx) *refusal {
	args := ctx.QueryArgs()
	token := sha256.Sum256(args.Peek("hub.verify_token"))
	right := subtle.ConstantTimeCompare(token[:], s.token[:]) == 1
	challenge := args.Peek("hub.challenge")
	if !s.verifiable || !right || string(args.Peek("hub.mode")) != "subscribe" || len(challenge) == 0 {
		return refuseVerify
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	// The challenge is the caller's own text: nobody may take it for a page.
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBody(challenge)
	return nil
}

// signatureOf is the request's signature header; nil when there is none. It fails where the headers
// alone decide.
func (s *source) signatureOf(h *fasthttp.RequestHeader) ([]byte, *refusal) {
	value := h.Peek(s.signature.canonical)
	if value == nil {
		if s.required {
			s.metrics.signatureMissing.Inc()
			return nil, refuseUnsigned
		}
		return nil, nil
	}
	if len(h.PeekAll(s.signature.canonical)) > 1 {
		s.metrics.signatureMalformed.Inc()
		return nil, refuseMalformed
	}
	return value, nil
}

// matches tells whether the signature in x is that of body, by any of the secrets, and keeps which.
func (s *source) matches(x *exchange, body []byte) bool {
	for _, signer := range s.signers {
		if signer.matches(&x.sum, x.mac[:], body) {
			x.secretID = signer.id
			return true
		}
	}
	return false
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
