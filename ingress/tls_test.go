package ingress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/certtest"
)

const metaCN = "client.webhooks.fbclientcerts.com"

// startTLS starts a server whose source "meta" asks for Meta's client certificate.
func startTLS(t testing.TB, cfg Config, ca *certtest.Authority, d raw.Durable) *running {
	t.Helper()
	cfg.Sources[0].ClientCN = metaCN
	reg := prometheus.NewRegistry()
	s, err := New(cfg, d, Deps{Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now, TLS: &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{ca.Issue(t, "server").TLS(t)},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, url: "https://" + ln.Addr().String(), addr: ln.Addr().String(), reg: reg, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if r.done != nil {
			<-r.done
		}
	})
	return r
}

// clientTLS returns the configuration of a client. With a name, it has a certificate of signer.
func clientTLS(t testing.TB, ca, signer *certtest.Authority, cn string) *tls.Config {
	t.Helper()
	c := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}
	if cn != "" {
		own := signer.Issue(t, cn).TLS(t)
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return c
}

func doTLS(t testing.TB, c *tls.Config, method, url string, body []byte, headers ...string) (code int, text string, err error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != 1 {
		t.Errorf("answered over %s", resp.Proto)
	}
	return resp.StatusCode, string(b), nil
}

func TestSourceWithAClientCNTakesOnlyItsCertificate(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "Meta's"), certtest.NewAuthority(t, "another")
	m := &rawtest.Memory{}
	s := startTLS(t, testConfig(), ca, m)
	signature := []string{"X-Hub-Signature-256", "sha256=" + sign(testSecret, message)}
	verification := "/meta?hub.mode=subscribe&hub.challenge=42&hub.verify_token=" + testToken
	for _, tt := range []struct {
		what, cn string
		signer   *certtest.Authority
		code     int
		reason   string
	}{
		{"Meta's certificate", metaCN, ca, 200, ""},
		{"no certificate", "", nil, 403, "missing"},
		{"another name", "client.example.com", ca, 403, "mismatch"},
		{"a name that holds it", metaCN + ".example.com", ca, 403, "mismatch"},
		{"another case", strings.ToUpper(metaCN), ca, 403, "mismatch"},
		{"Meta's name by another authority", metaCN, other, 0, ""},
	} {
		c := clientTLS(t, ca, tt.signer, tt.cn)
		before := 0.0
		if tt.reason != "" {
			before = rawtest.Counter(t, s.reg, "coexstream_ingress_client_certificate_failures_total", "source", "meta", "reason", tt.reason)
		}
		for what, ask := range map[string]func() (int, string, error){
			"POST": func() (int, string, error) { return doTLS(t, c, "POST", s.url+"/meta", message, signature...) },
			"POST with 100-continue": func() (int, string, error) {
				return doTLS(t, c, "POST", s.url+"/meta", message, append(signature, "Expect", "100-continue")...)
			},
			"GET": func() (int, string, error) { return doTLS(t, c, "GET", s.url+verification, nil) },
		} {
			code, body, err := ask()
			if code != tt.code || (tt.code == 0) != (err != nil) || tt.code == 403 && !strings.Contains(body, `"error":"client_certificate"`) {
				t.Errorf("%s, %s: %d %s %v", tt.what, what, code, body, err)
			}
		}
		if tt.reason != "" {
			if n := rawtest.Counter(t, s.reg, "coexstream_ingress_client_certificate_failures_total", "source", "meta", "reason", tt.reason); n != before+3 {
				t.Errorf("%s: counted %v times, want 3", tt.what, n-before)
			}
		}
	}
	if n := len(m.Records()); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	// A source without a CN needs no certificate.
	if code, body, err := doTLS(t, clientTLS(t, ca, nil, ""), "POST", s.url+"/number", message); code != 200 {
		t.Errorf("a source without client_cn: %d %s %v", code, body, err)
	}
	if n := rawtest.Counter(t, s.reg, "coexstream_ingress_tls_handshake_failures_total"); n < 1 {
		t.Errorf("%v handshake failures", n)
	}
}

func TestBodiesOfEveryFramingArriveOverTLS(t *testing.T) {
	ca := certtest.NewAuthority(t, "ours")
	m := &rawtest.Memory{}
	s := startTLS(t, testConfig(), ca, m)
	for _, n := range []int{0, 1, 1000, shortBytesMax, shortBytesMax + 1, 300_000} {
		body := bytes.Repeat([]byte("x"), n)
		for _, chunked := range []bool{false, true} {
			c, err := tls.Dial("tcp", s.addr, clientTLS(t, ca, nil, ""))
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/number", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if chunked {
				req.ContentLength, req.TransferEncoding = -1, []string{"chunked"}
			}
			if err := req.Write(c); err != nil {
				t.Fatal(err)
			}
			head := make([]byte, 12)
			if _, err := io.ReadFull(c, head); err != nil || string(head) != "HTTP/1.1 200" {
				t.Errorf("%d bytes, chunked %t: %q %v", n, chunked, head, err)
			}
			_ = c.Close()
			rs := m.Records()
			if len(rs) == 0 || !bytes.Equal(rs[len(rs)-1].Value, body) {
				t.Fatalf("%d bytes, chunked %t: not byte for byte", n, chunked)
			}
		}
	}
}

// A chunked body that ends with its connection is refused, with and without a TLS close alert.
func TestBodyThatIsCutOverTLSIsNotTaken(t *testing.T) {
	ca := certtest.NewAuthority(t, "ours")
	for _, goodbye := range []bool{true, false} {
		m := &rawtest.Memory{}
		s := startTLS(t, testConfig(), ca, m)
		tcp, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(tcp, clientTLS(t, ca, nil, ""))
		if _, err := io.WriteString(c, "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"); err != nil {
			t.Fatal(err)
		}
		if goodbye {
			_ = c.Close()
		} else {
			_ = tcp.Close()
		}
		rawtest.WaitFor(t, "the connection to end", func() bool {
			return s.open.count() == 0 && rawtest.Counter(t, s.reg, "coexstream_ingress_requests_total", "source", "number", "code", "400") == 1
		})
		if n := len(m.Records()); n != 0 {
			t.Errorf("goodbye %t: %d records", goodbye, n)
		}
	}
}

func TestHandshakeThatIsNotFinishedBlocksNobodyAndEndsInItsTime(t *testing.T) {
	ca := certtest.NewAuthority(t, "ours")
	cfg := testConfig()
	cfg.ReadTimeout = 200 * time.Millisecond
	s := startTLS(t, cfg, ca, &rawtest.Memory{})
	var silent []net.Conn
	for range 50 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte{22, 3, 1, 2, 0}); err != nil { // a record that never continues
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	late := 0 // requests for which the machine was too slow
	for {
		began := time.Now()
		code, _, err := doTLS(t, clientTLS(t, ca, nil, ""), "POST", s.url+"/number", message)
		if code == 200 {
			break
		}
		if time.Since(began) < cfg.ReadTimeout {
			t.Fatalf("beside them: %d %v", code, err)
		}
		late++
	}
	for _, c := range silent {
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	}
	rawtest.WaitFor(t, "all to be counted", func() bool {
		n := rawtest.Counter(t, s.reg, "coexstream_ingress_tls_handshake_failures_total")
		return n >= 50 && n <= float64(50+late)
	})
}

func TestPlainHTTPOnATLSAddressIsToldSo(t *testing.T) {
	s := startTLS(t, testConfig(), certtest.NewAuthority(t, "ours"), &rawtest.Memory{})
	if got := sendRaw(t, s.addr, post("/number", message)); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "speaks TLS") {
		t.Errorf("%q", got)
	}
}

// A refusal would cost a handshake.
func TestConnectionOverTheLimitIsClosedWithoutAHandshake(t *testing.T) {
	cfg := testConfig()
	cfg.ConnectionsMax = 1
	s := startTLS(t, cfg, certtest.NewAuthority(t, "ours"), &rawtest.Memory{})
	within := dial(t, s.addr)
	defer within.Close()
	rawtest.WaitFor(t, "the connection within the limit", func() bool { return s.open.count() == 1 })
	beyond, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer beyond.Close()
	if err := beyond.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(beyond, post("/number", message)) // it may be closed already
	// Closed in order, or reset because of what it has sent.
	got, err := io.ReadAll(beyond)
	if errors.Is(err, os.ErrDeadlineExceeded) || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReplacedCredentialsHoldFromTheNextRequestOn(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	ask := func(secret, token string) [2]int {
		return [2]int{
			do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(secret, message)).code,
			do(t, "GET", s.url+"/meta?hub.mode=subscribe&hub.challenge=42&hub.verify_token="+token, nil).code,
		}
	}
	if got := ask(testSecret, testToken); got != [2]int{200, 200} {
		t.Fatal(got)
	}
	for _, wrong := range []func() error{
		func() error { return s.SetCredentials("nobody", "another-verify-token", nil) },
		func() error { return s.SetCredentials("meta", "another-verify-token", nil) },
		func() error { return s.SetCredentials("meta", "another-verify-token", []Secret{{ID: "new"}}) },
		func() error {
			return s.SetCredentials("meta", "fifteen-of-them", []Secret{{ID: "new", Value: testSecret}})
		},
	} {
		if err := wrong(); err == nil {
			t.Error("what cannot be used was taken")
		}
	}
	if got := ask(testSecret, testToken); got != [2]int{200, 200} {
		t.Errorf("after what cannot be used: %v", got)
	}
	if err := s.SetCredentials("meta", "the-next-verify-token", []Secret{{ID: "new", Value: "next-secret"}}); err != nil {
		t.Fatal(err)
	}
	if got := ask(testSecret, testToken); got != [2]int{401, 403} {
		t.Errorf("the former ones: %v", got)
	}
	if got := ask("next-secret", "the-next-verify-token"); got != [2]int{200, 200} {
		t.Errorf("the new ones: %v", got)
	}
}
