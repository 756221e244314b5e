package ingress

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

// historyBody makes a history chunk of about n bytes.
func historyBody(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"history","value":{"history":[{"threads":[{"messages":[`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":"wamid.%d","text":{"body":"%x"}},`, i, i*7919)
	}
	b.WriteString(`{}]}]}]}}]}]}`)
	return b.Bytes()
}

func encoders(t testing.TB) map[string]func([]byte) []byte {
	run := func(w io.WriteCloser, out *bytes.Buffer, body []byte) []byte {
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	return map[string]func([]byte) []byte{
		"gzip": func(b []byte) []byte { return gz(t, b) },
		"deflate": func(b []byte) []byte {
			var out bytes.Buffer
			return run(zlib.NewWriter(&out), &out, b)
		},
		"br": func(b []byte) []byte {
			var out bytes.Buffer
			return run(brotli.NewWriter(&out), &out, b)
		},
		"zstd": func(b []byte) []byte {
			var out bytes.Buffer
			w, err := zstd.NewWriter(&out)
			if err != nil {
				t.Fatal(err)
			}
			return run(w, &out, b)
		},
	}
}

// verifyAgain checks a record's signature from nothing but the record.
func verifyAgain(t *testing.T, r *raw.Record, secrets map[string]string) {
	t.Helper()
	signature, _ := rawtest.Header(r, schemas.HeaderSignature)
	id, _ := rawtest.Header(r, schemas.HeaderSecretID)
	if strings.TrimPrefix(signature, "sha256=") != sign(secrets[id], r.Value) {
		t.Errorf("the signature of a record of %d bytes cannot be verified again", len(r.Value))
	}
}

func TestSignatureOfAnEncodedBodyMayBeOverEitherForm(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	for coding, encode := range encoders(t) {
		for _, plain := range [][]byte{message, historyBody(300 << 10)} {
			wire := encode(plain)
			for _, signed := range [][]byte{wire, plain} {
				a := do(t, "POST", s.url+"/meta", bytes.NewReader(wire), "Content-Encoding", coding, "X-Hub-Signature-256", "sha256="+sign(testSecret, signed))
				if a.code != 200 {
					t.Fatalf("%s: %d %s", coding, a.code, a.body)
				}
				rs := m.Records()
				r := &rs[len(rs)-1]
				verifyAgain(t, r, map[string]string{"new": testSecret})
				told, _ := rawtest.Header(r, schemas.HeaderContentEncoding)
				if !bytes.Equal(r.Value, signed) || told != map[bool]string{true: coding}[&signed[0] == &wire[0]] {
					t.Errorf("%s: %d bytes with the coding %q, %d were signed", coding, len(r.Value), told, len(signed))
				}
				decoded, err := contentcoding.Decode(nil, told, r.Value, contentcoding.Limits{})
				if err != nil || !bytes.Equal(decoded, plain) {
					t.Errorf("%s: the record does not decode: %v", coding, err)
				}
				if topic, waba := route.LaneAndKey(plain); r.Topic != topic || !bytes.Equal(r.Key, waba) || len(waba) == 0 {
					t.Errorf("%s: %s, key %q", coding, r.Topic, r.Key)
				}
			}
		}
	}
	if a := do(t, "POST", s.url+"/meta", bytes.NewReader(gz(t, message)), "Content-Encoding", "gzip", "X-Hub-Signature-256", "sha256="+sign("other", message)); a.code != 401 {
		t.Errorf("signed with another secret: %d", a.code)
	}
	if a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "Content-Encoding", "identity", "X-Hub-Signature-256", "sha256="+sign(testSecret, message)); a.code != 200 {
		t.Errorf("identity: %d", a.code)
	}
	rs := m.Records()
	if told, ok := rawtest.Header(&rs[len(rs)-1], schemas.HeaderContentEncoding); ok {
		t.Errorf("identity was recorded as %q", told)
	}
	if n := s.budget.reserved(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

func TestBodiesOfEveryLengthAndFramingArriveByteForByte(t *testing.T) {
	m := &rawtest.Memory{}
	cfg := testConfig()
	s := start(t, cfg, m)
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	lengths := []int{0, 1, 8<<10 - 1, 8 << 10, 8<<10 + 1, shortBytesMax - 1, shortBytesMax, shortBytesMax + 1, 3 << 20, cfg.BodyBytesMax - 1, cfg.BodyBytesMax}
	for range 5 {
		lengths = append(lengths, rng.IntN(200<<10))
	}
	for _, n := range lengths {
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(rng.Uint32())
		}
		for _, r := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} { // the second one is chunked
			if a := do(t, "POST", s.url+"/meta", r, "X-Hub-Signature-256", "sha256="+sign(oldSecret, body)); a.code != 200 {
				t.Fatalf("%d bytes: %d %s", n, a.code, a.body)
			}
			rs := m.Records()
			if got := rs[len(rs)-1].Value; !bytes.Equal(got, body) || got == nil && n > 0 {
				t.Fatalf("%d bytes became %d", n, len(got))
			}
			verifyAgain(t, &rs[len(rs)-1], map[string]string{"old": oldSecret})
		}
	}
	for _, n := range []int{cfg.BodyBytesMax + 1, cfg.BodyBytesMax + 100<<10} {
		for _, r := range []io.Reader{bytes.NewReader(make([]byte, n)), io.MultiReader(bytes.NewReader(make([]byte, n)))} {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			res, err := c.Post(s.url+"/open", "application/json", r)
			if err != nil {
				continue // cut while it was still sending: as good as an answer
			}
			_ = res.Body.Close()
			if res.StatusCode != 413 {
				t.Errorf("%d bytes: %d", n, res.StatusCode)
			}
		}
	}
	if n := s.budget.reserved(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

// conversation is a raw connection.
type conversation struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *conversation {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return newConversation(t, c)
}

func newConversation(t testing.TB, c net.Conn) *conversation {
	return &conversation{t, c, bufio.NewReader(c)}
}

func (c *conversation) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *conversation) answer() answer {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.Close {
		res.Header.Set("Connection", "close")
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func TestRequestMayArriveByteByByte(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	c := dial(t, s.addr)
	request := fmt.Sprintf("POST /meta HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nX-Hub-Signature-256: sha256=%s\r\n\r\n%s", len(message), sign(testSecret, message), message)
	for range 2 { // on the same connection
		for i := range request {
			c.send(request[i : i+1])
		}
		if a := c.answer(); a.code != 200 {
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	c.send(request + request) // pipelined
	for range 2 {
		if a := c.answer(); a.code != 200 {
			t.Fatalf("pipelined: %d %s", a.code, a.body)
		}
	}
	for _, r := range m.Records() {
		if !bytes.Equal(r.Value, message) {
			t.Errorf("value %q", r.Value)
		}
	}
}

func TestExpectContinueIsDecidedByTheHeaders(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	head := func(path string, length int, more ...string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n", path, length, strings.Join(more, ""))
	}
	signature := "X-Hub-Signature-256: sha256=" + sign(testSecret, message) + "\r\n"
	c := dial(t, s.addr)
	for range 2 {
		c.send(head("/meta", len(message), signature))
		line, err := c.r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%q %v, want 100", line, err)
		}
		if line, err = c.r.ReadString('\n'); err != nil || line != "\r\n" {
			t.Fatalf("%q %v after 100", line, err)
		}
		c.send(string(message))
		if a := c.answer(); a.code != 200 {
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	for name, want := range map[string]struct {
		request string
		code    int
		kind    string
	}{
		"too long":     {head("/meta", 100<<20, signature), 413, "body"},
		"unknown path": {head("/nowhere", 10, signature), 404, "path"},
		"unsigned":     {head("/meta", 10), 401, "signature"},
		"content type": {head("/open", 10, "Content-Type: text/html\r\n"), 415, "content_type"},
	} {
		c := dial(t, s.addr)
		c.send(want.request) // and no body: the answer has to come without it
		a := c.answer()
		if a.code != want.code || len(a.header.Get("X-Request-Id")) != requestIDBytes || a.header.Get("Connection") != "close" {
			t.Errorf("%s: %d, %v", name, a.code, a.header)
		}
		checkRefusal(t, a, want.kind)
	}
	if got := len(m.Records()); got != 2 {
		t.Errorf("%d records", got)
	}
}

// The rest of a refused body must not be read as the next request of the connection.
func TestRefusedBodyIsNeverTakenForARequest(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	inner := fmt.Sprintf("POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(message), message)
	chunked := func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }
	pad := strings.Repeat("\r\n", 300<<10)
	for name, request := range map[string]string{
		"unsigned":          fmt.Sprintf("POST /meta HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"unsigned, chunked": "POST /meta HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(inner),
		"unknown path":      fmt.Sprintf("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"GET with a body":   fmt.Sprintf("GET /meta HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"long":              fmt.Sprintf("POST /meta HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(pad)+len(inner), pad+inner),
		"broken chunks":     "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + inner,
		"two lengths":       fmt.Sprintf("POST /meta HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"length and chunks": "POST /meta HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"chunks and length": "POST /meta HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\ncontent-length:3\r\n\r\n0\r\n\r\n" + inner,
		"unknown framing":   "POST /meta HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			// The end of the connection ends the conversation; without Connection: close on the inner
			// request a smuggled one would be answered as well.
			c := dial(t, s.addr)
			_, _ = io.WriteString(c, request) // may be cut
			if half, ok := c.Conn.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			all, _ := io.ReadAll(c.r)
			if n := strings.Count(string(all), "HTTP/1.1 "); n > 1 && strings.Contains(string(all), " 200 ") {
				t.Errorf("%d answers: %q", n, all)
			}
		})
	}
	for _, r := range m.Records() {
		t.Errorf("a body was taken for a request: %q", r.Value)
	}
}

func TestSlowRequestIsTimedOut(t *testing.T) {
	cfg := testConfig()
	cfg.ReadTimeout = 150 * time.Millisecond
	m := &rawtest.Memory{}
	s := start(t, cfg, m)
	for name, request := range map[string]string{
		"in the headers":     "POST /number HTTP/1.1\r\nHost",
		"in the first bytes": "POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx",
		"in a long body":     "POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 500_000),
		"in a chunk":         "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nx",
		"between two chunks": "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
	} {
		if got := sendRaw(t, s.addr, request); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, `"timeout"`) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if len(m.Records()) != 0 || s.budget.reserved() != 0 {
		t.Errorf("%d records, %d bytes reserved", len(m.Records()), s.budget.reserved())
	}
}

func TestSenderThatGoesAwayLeavesNothingBehind(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	for _, request := range []string{
		"POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{}",
		"POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 500_000),
		"POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", // between two chunks
		"POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
		"POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n" + strings.Repeat("x", 512<<10) + "\r\n",
	} {
		c := dial(t, s.addr)
		c.send(request)
		if half, ok := c.Conn.(*net.TCPConn); ok && half.CloseWrite() != nil {
			t.Fatal("close")
		}
		all, _ := io.ReadAll(c.r)
		if bytes.Contains(all, []byte(" 200 ")) {
			t.Errorf("%.80q: %q", request, all)
		}
		_ = c.Close()
	}
	// Whereas one that closes its half after all was sent gets its answer.
	c := dial(t, s.addr)
	c.send("POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	if half, ok := c.Conn.(*net.TCPConn); ok && half.CloseWrite() != nil {
		t.Fatal("close")
	}
	if a := c.answer(); a.code != 200 {
		t.Errorf("a whole request: %d", a.code)
	}
	_ = c.Close()
	rawtest.WaitFor(t, "the connections to end", func() bool { return s.open.count() == 0 })
	if len(m.Records()) != 1 || s.budget.reserved() != 0 {
		t.Errorf("%d records, %d bytes reserved", len(m.Records()), s.budget.reserved())
	}
}
