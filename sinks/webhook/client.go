package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"

	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// answerBytesMax is how much of an answer is read, so that its connection can be used again.
const answerBytesMax = 64 << 10

// client sends to one endpoint.
type client struct {
	http *http.Client
	idle func()
	name string // of this program, in requests
	now  func() time.Time
}

// newClient makes a client that connects to public addresses, and to those that the endpoint allows. Addresses are checked when a connection
// is made, after the name was resolved. No proxy is used, and no redirect is followed.
func newClient(e *Endpoint, name string, now func() time.Time, transport http.RoundTripper) *client {
	c := &client{name: name, now: now, idle: func() {}}
	if transport == nil {
		t := &http.Transport{
			Proxy: nil, DialContext: guardedDialer(e.prefixes).DialContext, TLSClientConfig: e.tlsConfig(), TLSHandshakeTimeout: time.Duration(e.Timeout),
			ForceAttemptHTTP2: true, MaxIdleConns: e.InFlight, MaxIdleConnsPerHost: e.InFlight, IdleConnTimeout: 30 * time.Second,
			ResponseHeaderTimeout: time.Duration(e.Timeout), MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		}
		transport, c.idle = t, t.CloseIdleConnections
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

// guardedDialer connects to public addresses, and to those of some networks.
func guardedDialer(allowed []netip.Prefix) *net.Dialer {
	var v4, v6 []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	guard := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	return &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: guard.Safe}
}

func (e *Endpoint) tlsConfig() *tls.Config {
	if e.secure == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return e.secure.Clone()
}

// body is what an endpoint gets of some events at a time. CloudEvents come one at a time.
func (e *Endpoint) body(items []*queue.Item, now time.Time) []byte {
	if e.Format == FormatCloudEvents {
		it := items[0]
		return envelope.AppendCloudEvent(make([]byte, 0, len(it.Event.Value)+1024), &it.Event, it.Headers, e.linkOf(&it.Event, now))
	}
	events := make([]*event.Event, len(items))
	n := 512
	for i, it := range items {
		events[i] = &it.Event
		n += len(it.Event.Value) + 256
	}
	return envelope.AppendMeta(make([]byte, 0, n), events)
}

// send sends events in one request. attempt is the number of earlier ones.
func (c *client) send(ctx context.Context, e *Endpoint, items []*queue.Item, attempt int) queue.Answer {
	return c.post(ctx, e, items[0].Event.ID, e.body(items, c.now()), attempt)
}

// post sends a body, signed.
func (c *client) post(ctx context.Context, e *Endpoint, id string, body []byte, attempt int) queue.Answer {
	began := c.now()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err == nil {
		err = e.sign(req.Header, id, began, body)
	}
	if err != nil {
		return queue.Answer{Why: "the request cannot be made"}
	}
	req.Header.Set("Content-Type", "application/json")
	if e.Format == FormatCloudEvents {
		req.Header.Set("Content-Type", envelope.CloudEventType)
	}
	req.Header.Set("User-Agent", c.name)
	if attempt > 0 {
		req.Header.Set("Coexstream-Attempt", strconv.Itoa(attempt+1))
	}
	return c.do(req, began, nil)
}

// do sends a request. take reads the answer's body, where it is wanted.
func (c *client) do(req *http.Request, began time.Time, take func([]byte)) queue.Answer {
	resp, err := c.http.Do(req)
	if err != nil {
		return queue.Answer{Took: c.now().Sub(began), Why: reasonOf(err)}
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	_ = resp.Body.Close()
	if err == nil && take != nil {
		take(content)
	}
	now := c.now()
	a := queue.Answer{Status: resp.StatusCode, Took: now.Sub(began), RetryAfter: retryAfter(resp.Header, now), Why: fmt.Sprintf("status %d", resp.StatusCode)}
	if resp.StatusCode/100 == 3 {
		a.Why += ": redirects are not followed"
	}
	return a
}

// retryAfter reads Retry-After: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.ParseInt(text, 10, 32); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// ErrAddress means that an endpoint's address may not be reached.
var ErrAddress = errors.New("the address is not public, and `allow` does not name its network")

// reasonOf tells why no answer came, without the URL, which may have a secret in it.
func reasonOf(err error) string {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedNetwork):
		return ErrAddress.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return err.Error()
}
