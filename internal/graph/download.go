package graph

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas/provider"
)

// Downloader downloads media from the URLs of the API's answers. A URL is only followed to a known host, since it comes from outside
// and a request carries the token. Redirects are not followed.
type Downloader struct {
	api   provider.SyncAPI
	hosts []string
	quiet time.Duration
	http  *http.Client
	now   func() time.Time
}

// DownloadConfig configures a Downloader.
type DownloadConfig struct {
	Provider *provider.Provider
	// Hosts are the hosts of URLs, some with a port. One with the prefix http:// is reached in plain text, and has to be on loopback.
	Hosts []string
	Quiet time.Duration // the longest wait for more of an answer
	Now   func() time.Time
	TLS   *tls.Config // for tests; nil: the authorities of the system
}

// NewDownloader returns a downloader.
func NewDownloader(c DownloadConfig) (*Downloader, error) {
	for _, h := range c.Hosts {
		if err := CheckHost(h); err != nil {
			return nil, err
		}
	}
	return &Downloader{
		api: *c.Provider.Sync, hosts: c.Hosts, quiet: c.Quiet, now: c.Now,
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: c.Quiet}).DialContext, TLSClientConfig: c.TLS,
				TLSHandshakeTimeout: c.Quiet, ResponseHeaderTimeout: c.Quiet, MaxResponseHeaderBytes: 64 << 10,
				DisableCompression: true, IdleConnTimeout: c.Quiet, MaxIdleConnsPerHost: 4,
				TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // a cut connection is that of one asset
			},
		},
	}, nil
}

const hostAllows = "a host such as lookaside.fbsbx.com, with a port where it has one, or http:// and a host on loopback"

// CheckHost refuses an entry of Hosts that names no host, or one in plain text that is not on loopback.
func CheckHost(entry string) error {
	host, plain := strings.CutPrefix(entry, "http://")
	u, err := url.Parse("https://" + host)
	if err != nil || u.Host == "" || u.Host != host || u.User != nil || u.Path != "" || strings.HasSuffix(host, ":") {
		return invalid.Value("sink.media.hosts", entry, hostAllows)
	}
	ip := net.ParseIP(u.Hostname())
	if plain && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return invalid.Value("sink.media.hosts", entry, hostAllows)
	}
	return nil
}

// allows reports whether a URL leads to a known host, in the way that is set for it.
func (d *Downloader) allows(u *url.URL) bool {
	if u.User != nil || u.Opaque != "" {
		return false
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return slices.ContainsFunc(d.hosts, func(h string) bool { return strings.EqualFold(h, strings.TrimSuffix(host, ":443")) })
	case "http":
		return slices.ContainsFunc(d.hosts, func(h string) bool { return strings.EqualFold(h, "http://"+host) })
	}
	return false
}

// Content is an answer with the content of an asset, or a part of it.
type Content struct {
	Body io.ReadCloser
	// From is where the body begins: 0, or the offset that was asked for.
	From int64
	// Bytes is the length of the whole content; -1: not known.
	Bytes int64
	// Validator is for the request of the rest: a strong ETag; empty: none.
	Validator string
}

// ErrHost means that a URL leads to a host that is not known.
var ErrHost = errors.New("the URL leads to a host that is not in sink.media.hosts")

// Open requests a content from an offset. The caller closes the body. An error is an *Error; no text of it has the URL or the token.
func (d *Downloader) Open(ctx context.Context, token Token, address string, offset int64, validator string) (*Content, error) {
	const what = "download media"
	refuse := func(kind Kind, message string) error {
		return &Error{What: what, Outcome: Outcome{Kind: kind, Message: message}}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, refuse(Refused, "the answer has no URL")
	}
	if !d.allows(u) {
		return nil, &Error{What: what, Outcome: Outcome{Kind: Refused, Message: fmt.Sprintf("%s: %s://%s", ErrHost, printable(u.Scheme, 16), printable(u.Host, idBytesMax))}}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(d.quiet, func() { cancel(context.DeadlineExceeded) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, refuse(Refused, "the URL cannot be used")
	}
	req.Header.Set(d.api.Header, d.api.Prefix+token.value)
	req.Header.Set("User-Agent", "coexstream")
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
		if validator != "" {
			req.Header.Set("If-Range", validator)
		}
	}
	resp, err := d.http.Do(req)
	if err != nil {
		late.Stop()
		cause := context.Cause(ctx)
		cancel(nil)
		if errors.Is(cause, context.DeadlineExceeded) {
			err = cause
		}
		return nil, &Error{What: what, Outcome: Outcome{Kind: Unknown, Message: token.clean(reason(err))}, away: true}
	}
	c, err := d.content(resp, token, offset)
	if err != nil {
		late.Stop()
		cancel(nil)
		return nil, errors.Join(err, resp.Body.Close())
	}
	c.Body = &patient{body: resp.Body, late: late, quiet: d.quiet, ctx: ctx, cancel: cancel}
	return c, nil
}

// content reads the head of an answer.
func (d *Downloader) content(resp *http.Response, token Token, offset int64) (*Content, error) {
	fail := func(o Outcome) error { return &Error{What: "download media", Outcome: o} }
	if resp.Header.Get("Content-Encoding") != "" && !strings.EqualFold(resp.Header.Get("Content-Encoding"), "identity") {
		return nil, fail(Outcome{Kind: Refused, Status: resp.StatusCode, Message: "the content is encoded, though that was not asked for"})
	}
	c := &Content{Bytes: -1}
	if tag := resp.Header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		c.Validator = tag
	}
	switch resp.StatusCode {
	case http.StatusOK:
		c.Bytes = resp.ContentLength
		return c, nil
	case http.StatusPartialContent:
		first, total, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || first != offset {
			return nil, fail(Outcome{Kind: Unknown, Status: resp.StatusCode, Message: "the answer has another part than the one that was asked for"})
		}
		c.From, c.Bytes = first, total
		return c, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return nil, fail(Outcome{Kind: Unknown, Status: resp.StatusCode, Message: ErrRange.Error()})
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return nil, fail(Outcome{Kind: Refused, Status: resp.StatusCode, Message: "the answer redirects, which is not followed"})
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // as much as there is
	return nil, fail(Classify(&Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Time: d.now()}, token, false))
}

// ErrRange is the message of an answer to a request for a part that does not exist.
var ErrRange = errors.New("the content has no such part")

// contentRange reads "bytes FIRST-LAST/TOTAL".
func contentRange(text string) (first, total int64, ok bool) {
	rest, ok := strings.CutPrefix(text, "bytes ")
	span, all, cut := strings.Cut(rest, "/")
	from, _, dash := strings.Cut(span, "-")
	first, err := strconv.ParseInt(from, 10, 64)
	if !ok || !cut || !dash || err != nil {
		return 0, 0, false
	}
	if all == "*" {
		return first, -1, true
	}
	total, err = strconv.ParseInt(all, 10, 64)
	return first, total, err == nil && total > first
}

// patient is a body that ends after a time without content.
type patient struct {
	body   io.ReadCloser
	late   *time.Timer
	quiet  time.Duration
	ctx    context.Context //nolint:containedctx // its cause is the reason of a failed read
	cancel context.CancelCauseFunc
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	p.late.Reset(p.quiet)
	n, err := p.body.Read(b)
	p.late.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(p.ctx); cause != nil {
			err = cause
		}
		err = errors.New(reason(err)) // without the URL
	}
	return n, err
}

// Close implements io.Closer.
func (p *patient) Close() error {
	p.late.Stop()
	err := p.body.Close()
	p.cancel(nil)
	return err
}
