package link_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/sinks/media/link"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

const hash = "de7d1b721a1e0632b7cf04edf5032c8ecffa9f9a08492152b926f1a5a7e765d7"

var (
	key = link.Key(strings.Repeat("k", 32))
	now = time.Unix(1_772_366_400, 0)
)

func check(t *testing.T, made string, k link.Key, at time.Time) (string, string, error) {
	t.Helper()
	u, err := url.Parse(made)
	if err != nil {
		t.Fatal(err)
	}
	return link.Check(k, strings.TrimPrefix(u.Path, link.Path), u.Query(), at)
}

func TestALinkIsValidUntilItsTimeAndUnchangedOnly(t *testing.T) {
	made := link.Make(key, "https://media.example.com/", hash, "../a b.pdf", now.Add(time.Hour))
	if !strings.HasPrefix(made, "https://media.example.com/media/"+hash+"?") {
		t.Fatalf("the link is %s", made)
	}
	if got, name, err := check(t, made, key, now.Add(time.Hour-time.Second)); err != nil || got != hash || name != "a b.pdf" {
		t.Errorf("%s %q %v", got, name, err)
	}
	if _, _, err := check(t, made, key, now.Add(time.Hour)); !errors.Is(err, link.ErrExpired) {
		t.Errorf("after its time: %v", err)
	}
	if _, _, err := check(t, made, link.Key(strings.Repeat("x", 32)), now); !errors.Is(err, link.ErrSignature) {
		t.Errorf("with another key: %v", err)
	}
	for old, changed := range map[string]string{
		"de7d": "ae7d", "1772370000": "1772370001", "a+b.pdf": "b.pdf", "signature=": "signature=A", "media/de7d": "media/../de7d", "&signature": "&name=x&signature", hash: "x",
	} {
		if !strings.Contains(made, old) {
			t.Fatalf("%s is not in %s", old, made)
		}
		if _, _, err := check(t, strings.Replace(made, old, changed, 1), key, now); err == nil && old != "&signature" {
			t.Errorf("%s instead of %s is accepted", changed, old)
		}
	}
}

func TestAContentIsADownloadThatABrowserCannotRun(t *testing.T) {
	bucket, err := archive.OpenContents(t.Context(), "file://"+t.TempDir(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	page := []byte("<script>alert(1)</script>")
	if err := bucket.Keep(t.Context(), plan.ObjectName(hash), bytes.NewReader(page)); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&link.Handler{Key: func() link.Key { return key }, Bucket: bucket, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	other := strings.Replace(hash, "de", "ab", 1)
	for _, c := range []struct {
		method, url string
		want        int
	}{
		{http.MethodGet, link.Make(key, s.URL, hash, "x\"; y=\r\n.html", now.Add(time.Hour)), http.StatusOK},
		{http.MethodHead, link.Make(key, s.URL, hash, "", now.Add(time.Hour)), http.StatusOK},
		{http.MethodGet, link.Make(key, s.URL, hash, "", now), http.StatusForbidden},
		{http.MethodGet, link.Make(key, s.URL, other, "", now.Add(time.Hour)), http.StatusNotFound},
		{http.MethodPost, link.Make(key, s.URL, hash, "", now.Add(time.Hour)), http.StatusMethodNotAllowed},
		{http.MethodGet, s.URL + "/media/" + hash, http.StatusForbidden},
		{http.MethodGet, s.URL + "/", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d (%v)", c.method, c.url, resp.StatusCode, c.want, err)
		}
		h := resp.Header
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", c.url, h)
		}
		if c.want != http.StatusOK {
			continue
		}
		if h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || strings.Contains(h.Get("Content-Disposition"), "y=") && !strings.Contains(h.Get("Content-Disposition"), `"x__ y=__.html"`) {
			t.Errorf("%v", h)
		}
		if c.method == http.MethodGet && !bytes.Equal(body, page) || resp.ContentLength != int64(len(page)) {
			t.Errorf("%d bytes, length %d", len(body), resp.ContentLength)
		}
	}
}
