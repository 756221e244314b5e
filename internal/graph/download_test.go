package graph

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas/provider"
)

func newDownloader(t *testing.T, hosts ...string) *Downloader {
	return patientFor(t, time.Minute, hosts...)
}

// patientFor waits that long for more of an answer.
func patientFor(t *testing.T, quiet time.Duration, hosts ...string) *Downloader {
	t.Helper()
	d, err := NewDownloader(DownloadConfig{Provider: provider.Default(), Hosts: hosts, Quiet: quiet, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAMediaIsLookedUp(t *testing.T) {
	s := fakegraph.New()
	defer s.Close()
	s.AddMedia(fakegraph.Asset{ID: "5", MIME: "image/png", Content: []byte("abc")}, fakegraph.Asset{ID: "6", Content: []byte("abc"), Bytes: 77, SHA256: "-"}, fakegraph.Asset{ID: "7", Bytes: -1})
	c := newClient(t, "meta", s.URL)
	m, err := c.Media(t.Context(), token(t), "5", "106540352242922")
	if err != nil || m.MIMEType != "image/png" || m.Bytes != 3 || m.SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || !strings.HasPrefix(m.URL, s.URL) {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = c.Media(t.Context(), token(t), "6", ""); err != nil || m.Bytes != 77 || m.SHA256 != "" { // the size is a string
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = c.Media(t.Context(), token(t), "7", ""); err != nil || m.Bytes != -1 {
		t.Errorf("%+v, %v", m, err)
	}
	s.Expire("5")
	var e *Error
	if _, err = c.Media(t.Context(), token(t), "5", ""); !errors.As(err, &e) || !e.Outcome.Hidden() {
		t.Errorf("%v", err)
	}
	if _, err = c.Media(t.Context(), token(t), "5/../../me", ""); !errors.As(err, &e) || e.Outcome.Kind != NotSent {
		t.Errorf("%v", err)
	}
}

// The URL comes from an answer. Only known hosts get a request, and the token with it.
func TestAURLIsFollowedToKnownHostsOnly(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/ok", http.StatusFound)
		}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	for _, c := range []struct {
		hosts   []string
		url     string
		allowed bool
	}{
		{[]string{s.URL}, s.URL + "/ok", true},
		{[]string{s.URL}, "HTTP://" + host + "/ok", true},
		{[]string{"lookaside.fbsbx.com"}, s.URL + "/ok", false},
		{[]string{host}, s.URL + "/ok", false}, // a host without http:// is reached by TLS only
		{[]string{s.URL}, "http://user@" + host + "/ok", false},
		{[]string{s.URL}, "http://" + host + ".example.com/ok", false},
		{[]string{s.URL}, "http://localhost:1/ok", false},
		{[]string{s.URL}, "//" + host + "/ok", false},
		{[]string{s.URL}, "file:///etc/passwd", false},
		{[]string{s.URL}, "/ok", false},
		{[]string{s.URL}, "", false},
		{[]string{s.URL}, "http://169.254.169.254/latest/meta-data", false},
		{[]string{s.URL}, s.URL + "/away", false},
	} {
		before := requests.Load()
		content, err := newDownloader(t, c.hosts...).Open(t.Context(), token(t), c.url, 0, "")
		var e *Error
		switch {
		case c.allowed && err != nil:
			t.Errorf("%s: %v", c.url, err)
		case c.allowed:
			if err := content.Body.Close(); err != nil {
				t.Error(err)
			}
		case !errors.As(err, &e) || e.Outcome.Kind != Refused:
			t.Errorf("%s with %v: %v", c.url, c.hosts, err)
		case !strings.HasSuffix(c.url, "/away") && requests.Load() != before:
			t.Errorf("%s with %v was requested", c.url, c.hosts)
		case strings.HasSuffix(c.url, "/away") && requests.Load() != before+1:
			t.Errorf("a redirect was followed")
		}
	}
}

func TestHostsInPlainTextAreOnLoopback(t *testing.T) {
	for entry, ok := range map[string]bool{
		"lookaside.fbsbx.com": true, "mmg.whatsapp.net:8443": true, "http://127.0.0.1:9": true, "http://localhost": true, "http://[::1]:9": true,
		"": false, "https://lookaside.fbsbx.com": false, "http://example.com": false, "example.com/path": false, "user@example.com": false, "http://10.0.0.1": false, "a b": false, "host:": false,
	} {
		if err := CheckHost(entry); (err == nil) != ok {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestASilentServerIsLeft(t *testing.T) {
	s := fakegraph.New()
	defer s.Close()
	s.AddMedia(fakegraph.Asset{ID: "5", Content: make([]byte, 1000)})
	s.NextDownload("5", &fakegraph.Download{Delay: time.Hour})
	d := newDownloader(t, s.URL)
	address := s.URL + "/contents/5"
	var e *Error
	if _, err := patientFor(t, 100*time.Millisecond, s.URL).Open(t.Context(), token(t), address, 0, ""); !errors.As(err, &e) || !e.Unreachable() || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("%v", err)
	}
	s.NextDownload("5", &fakegraph.Download{Stall: 400})
	c, err := patientFor(t, 3*time.Second, s.URL).Open(t.Context(), token(t), address, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c.Body); len(b) != 400 || err == nil || err.Error() != "no answer in time" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := c.Body.Close(); err != nil {
		t.Error(err)
	}
	if c, err = d.Open(t.Context(), token(t), address, 400, c.Validator); err != nil || c.From != 400 || c.Bytes != 1000 {
		t.Fatalf("%+v, %v", c, err)
	}
	if b, err := io.ReadAll(c.Body); len(b) != 600 || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := c.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestAContentRangeIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string][2]int64{"bytes 5-9/10": {5, 10}, "bytes 5-9/*": {5, -1}} {
		if first, total, ok := contentRange(text); !ok || first != want[0] || total != want[1] {
			t.Errorf("%q: %d %d %t", text, first, total, ok)
		}
	}
	for _, text := range []string{"", "bytes */10", "bytes 5/10", "bytes 5-9", "bytes 5-9/5", "items 5-9/10", "bytes x-9/10", "bytes 5-9/x"} {
		if first, total, ok := contentRange(text); ok {
			t.Errorf("%q: %d %d", text, first, total)
		}
	}
}
