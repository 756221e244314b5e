package verify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// endpoint is one source of the ingress.
type endpoint struct {
	url    string
	header string // of the signature
	prefix string // before the signature's digits
	stamps bool   // the header is t=<time>,s=<digits>, and the time is signed, too
	secret []byte
	client *fasthttp.HostClient
}

// newEndpoint trusts the authorities of roots; nil: those of the system.
func newEndpoint(target, provider, secret string, roots *x509.CertPool, conns int, timeout time.Duration) (*endpoint, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("parse the URL %q: %w", target, err)
	}
	host := u.Host
	if u.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	e := &endpoint{
		url: target, secret: []byte(secret), header: "X-Hub-Signature-256", prefix: "sha256=",
		client: &fasthttp.HostClient{
			Addr: host, IsTLS: u.Scheme == "https", TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Name: "facebookexternalua", MaxConns: conns,
			ReadTimeout: timeout, WriteTimeout: timeout, MaxIdleConnDuration: 10 * time.Second,
			// The sender itself counts retries.
			MaxIdemponentCallAttempts: 1, RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
			NoDefaultUserAgentHeader: false, DisableHeaderNamesNormalizing: false, DisablePathNormalizing: true,
		},
	}
	switch provider {
	case Provider360Dialog:
		e.header, e.prefix = "X-360dialog-Signature", ""
	case ProviderYCloud:
		e.header, e.prefix, e.stamps = "YCloud-Signature", "", true
	}
	return e, nil
}

// sign is the value of the signature's header.
func (e *endpoint) sign(body []byte) string {
	mac := hmac.New(sha256.New, e.secret)
	prefix := e.prefix
	if e.stamps {
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		mac.Write([]byte(stamp + "."))
		prefix = "t=" + stamp + ",s="
	}
	mac.Write(body)
	return prefix + hex.EncodeToString(mac.Sum(nil))
}

// outcome is the end of a delivery.
type outcome struct {
	acked       bool
	attempts    int
	first, last time.Time
	status      int
	err         error // of the last attempt
}

// backoff between attempts; a share of the wait is random.
const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 3 * time.Second
)

// deliver sends a body until it gets a 200, as Meta does. Any other answer, and no answer at all, is tried again until
// retryFor has passed since the first attempt.
func (e *endpoint) deliver(ctx context.Context, body []byte, retryFor time.Duration) outcome {
	signature := e.sign(body)
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	o := outcome{first: time.Now()}
	for wait := backoffMin; ; wait = min(2*wait, backoffMax) {
		req.Reset()
		req.SetRequestURI(e.url)
		req.Header.SetMethod(fasthttp.MethodPost)
		req.Header.SetContentType("application/json")
		req.Header.Set(e.header, signature)
		req.SetBodyRaw(body)
		resp.Reset()
		o.attempts++
		// When Do returns, it no longer uses the body, unlike DoTimeout. The connection has the time limits.
		o.err = e.client.Do(req, resp)
		o.last, o.status = time.Now(), 0
		if o.err == nil {
			o.status = resp.StatusCode()
			if o.status == fasthttp.StatusOK {
				o.acked = true
				return o
			}
			o.err = fmt.Errorf("status %d: %.200s", o.status, resp.Body())
		}
		pause := wait/2 + rand.N(wait/2)
		if ctx.Err() != nil || o.last.Add(pause).Sub(o.first) > retryFor {
			return o
		}
		select {
		case <-ctx.Done():
			return o
		case <-time.After(pause):
		}
	}
}
