package ingress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/raw"
)

const (
	testSecret = "s3cret-of-the-app"
	oldSecret  = "s3cret-before-it"
	testToken  = "t0ken-of-the-app-1"
)

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Sources = []Source{
		{Name: "meta", Provider: "meta", Path: "/meta", VerifyToken: testToken, SignatureRequired: true,
			Secrets: []Secret{{ID: "new", Value: testSecret}, {ID: "old", Value: oldSecret}}},
		{Name: "partner", Provider: "360dialog", Path: "/360dialog", SignatureRequired: true,
			Secrets: []Secret{{ID: "p1", Value: testSecret}}},
		{Name: "number", Provider: "360dialog", Path: "/number", Secrets: []Secret{{ID: "n1", Value: testSecret}}},
		{Name: "open", Provider: "meta", Path: "/open", RequestsMax: 1},
		{Name: "cloud", Provider: "ycloud", Path: "/ycloud", SignatureRequired: true, Secrets: []Secret{{ID: "c1", Value: testSecret}}},
	}
	return cfg
}

// running is a Server under test.
type running struct {
	*Server
	url, addr string
	reg       *prometheus.Registry
	cancel    context.CancelFunc
	done      chan error
}

func start(t testing.TB, cfg Config, d raw.Durable) *running {
	t.Helper()
	return startWithLog(t, cfg, d, slog.New(slog.DiscardHandler))
}

func startWithLog(t testing.TB, cfg Config, d raw.Durable, log *slog.Logger) *running {
	t.Helper()
	return startAt(t, cfg, d, log, time.Now)
}

// startAt starts a server with a clock of its own.
func startAt(t testing.TB, cfg Config, d raw.Durable, log *slog.Logger, now func() time.Time) *running {
	t.Helper()
	reg := prometheus.NewRegistry()
	s, err := New(cfg, d, Deps{Registerer: reg, Logger: log, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, url: "http://" + ln.Addr().String(), addr: ln.Addr().String(), reg: reg, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if r.done != nil {
			<-r.done
		}
	})
	return r
}

// stop ends the server and returns what Serve said.
func (r *running) stop() error {
	r.cancel()
	err := <-r.done
	r.done = nil
	return err
}

// closedByPeer reports whether the other side closed a connection. One that is closed before all its bytes were read ends with a reset.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func sign(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// answer is the answer to a request.
type answer struct {
	code   int
	header http.Header
	body   string
}

// patientConn is a connection whose end the client meets when it reads: an answer that came before the whole request was
// written is still read. net/http may prefer the error of the write.
type patientConn struct{ net.Conn }

func (c patientConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(b), nil
	}
	return n, err
}

func dialPatiently(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return patientConn{c}, nil
}

// do sends a request with a client of its own, so that no connection is shared between tests.
func do(t testing.TB, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	transport := &http.Transport{DialContext: dialPatiently, DisableKeepAlives: true, DisableCompression: true, ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", method, url, err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func gz(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var message = []byte(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"messages","value":{"messages":[{"id":"wamid.1"}]}}]}]}`)

// sendRaw sends bytes and returns all bytes of the server until it closes.
func sendRaw(t testing.TB, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(bufio.NewReader(c))
	if err != nil && len(b) == 0 {
		t.Fatalf("read answer: %v", err)
	}
	return string(b)
}
