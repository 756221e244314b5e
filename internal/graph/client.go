package graph

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas/provider"
)

// Client calls the API of one provider. It is safe for concurrent use.
type Client struct {
	api     provider.SyncAPI
	address string
	http    *http.Client
	timeout time.Duration
	now     func() time.Time
}

// Config configures a Client.
type Config struct {
	Provider *provider.Provider
	Address  string        // base URL; empty: that of the provider
	Timeout  time.Duration // of a request, from the dial to the end of its answer
	Now      func() time.Time
	// TLS is for tests with an authority of their own; nil: the authorities of the system.
	TLS *tls.Config
}

// answerBytesMax bounds an answer. Longer ones have no known outcome.
const answerBytesMax = 1 << 20

// New returns a client.
func New(c Config) (*Client, error) {
	if c.Provider.Sync == nil {
		return nil, fmt.Errorf("provider %s has no call for a sync", c.Provider.Name)
	}
	address := strings.TrimRight(c.Address, "/")
	if address == "" {
		address = c.Provider.Sync.Address
	}
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	return &Client{
		api: *c.Provider.Sync, address: address, timeout: c.Timeout, now: c.Now,
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: c.Timeout}).DialContext,
				TLSClientConfig: c.TLS, TLSHandshakeTimeout: c.Timeout,
				// A request on a kept connection may be repeated by the transport. So may one of HTTP/2.
				DisableKeepAlives: true, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
				DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			},
		},
	}, nil
}

// CheckAddress refuses a base URL that would send a token in plain text, except to this machine.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return invalid.Value("desk.addresses", "an address", "a base URL without a user, a query or a fragment")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return invalid.Value("desk.addresses", u.Scheme+"://"+u.Host, "https, or http on loopback: requests carry a token")
	}
	return nil
}

// Reads reports whether the provider's API can be asked for numbers and subscriptions.
func (c *Client) Reads() bool { return c.api.Reads }

// Sync requests the contacts or the history of a number. It sends one request at most.
func (c *Client) Sync(ctx context.Context, token Token, phoneNumberID, syncType string) Outcome {
	if !ValidID(phoneNumberID) {
		return Outcome{Kind: NotSent, Message: "the phone_number_id is not a number"}
	}
	body, err := json.Marshal(map[string]string{"messaging_product": "whatsapp", "sync_type": syncType})
	if err != nil {
		return Outcome{Kind: NotSent, Message: err.Error()}
	}
	answer, sent, err := c.do(ctx, token, http.MethodPost, c.api.PathOf(phoneNumberID), body)
	switch {
	case err != nil && !sent:
		return Outcome{Kind: NotSent, Message: token.clean(reason(err))}
	case err != nil:
		return Outcome{Kind: Unknown, Message: token.clean("sent, and no whole answer came: " + reason(err))}
	}
	return Classify(answer, token, c.api.RequestID)
}

// Contacts returns the provider's name for a sync of contacts, History the one for a history.
func (c *Client) Contacts() string { return c.api.Contacts }

// History returns the provider's name for a sync of a history.
func (c *Client) History() string { return c.api.History }

// ValidID reports whether a text is an id of the API: digits. Ids become parts of paths.
func ValidID(id string) bool {
	return id != "" && len(id) <= 32 && strings.Trim(id, "0123456789") == ""
}

// do sends one request. sent reports whether a byte of it may have left.
func (c *Client) do(ctx context.Context, token Token, method, path string, body []byte) (answer *Answer, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, method, c.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.GetBody = nil
	req.Header.Set(c.api.Header, c.api.Prefix+token.value)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "coexstream")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, connected.Load(), err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	if err != nil {
		return nil, true, err
	}
	if len(content) > answerBytesMax {
		return nil, true, errors.New("the answer is too long")
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: content, Time: c.now()}, true, nil
}

// reason returns the cause of an error of net/http without the URL.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
