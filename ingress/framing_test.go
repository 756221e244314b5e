package ingress

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// refusedRequests are ambiguous requests. Each body contains a webhook that some implementations would read.
func refusedRequests() map[string]string {
	body := string(message)
	head := "POST /number HTTP/1.1\r\nHost: x\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	inChunks := head + "Transfer-Encoding: chunked\r\n\r\n"
	return map[string]string{
		"HTTP/2.0":                               strings.Replace(head, "HTTP/1.1", "HTTP/2.0", 1) + length + "\r\n" + body,
		"HTTP/3.0":                               strings.Replace(head, "HTTP/1.1", "HTTP/3.0", 1) + length + "\r\n" + body,
		"HTTP/1.2":                               strings.Replace(head, "HTTP/1.1", "HTTP/1.2", 1) + length + "\r\n" + body,
		"HTTP/0.9":                               strings.Replace(head, "HTTP/1.1", "HTTP/0.9", 1) + length + "\r\n" + body,
		"identity and a length":                  head + "Transfer-Encoding: identity\r\n" + length + "\r\n" + body,
		"a length and identity":                  head + length + "transfer-encoding: Identity\r\n\r\n" + body,
		"identity alone":                         head + "Transfer-Encoding: identity\r\n\r\n",
		"no coding":                              head + "Transfer-Encoding:\r\n" + length + "\r\n" + body,
		"a folded length":                        head + fmt.Sprintf("Content-Length:\r\n %d\r\n\r\n", len(body)) + body,
		"a length folded with a tab":             head + fmt.Sprintf("Content-Length:\r\n\t%d\r\n\r\n", len(body)) + body,
		"a length folded behind":                 head + strings.TrimSuffix(length, "\r\n") + "\r\n \r\n\r\n" + body,
		"a folded coding":                        head + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunk,
		"another folded header":                  head + "X-Any: a\r\n b\r\n" + length + "\r\n" + body,
		"a length in a fold":                     head + "X-Any: a\r\n Content-Length: 0\r\n" + length + "\r\n" + body,
		"a line that ends with LF":               head + "X-Any: a\n" + length + "\r\n" + body,
		"a length that ends with LF":             head + strings.Replace(length, "\r\n", "\n", 1) + "\r\n" + body,
		"headers that end with LF":               head + length + "\n" + body + "\r\n\r\n",
		"a blank in a name":                      head + "Content Length: 1\r\n" + length + "\r\n" + body,
		"a blank after a chunk's size":           inChunks + strings.Replace(chunk, "\r\n", " \r\n", 1),
		"a tab after a chunk's size":             inChunks + strings.Replace(chunk, "\r\n", "\t\r\n", 1),
		"a blank before a chunk's size":          inChunks + " " + chunk,
		"a blank after the last size":            inChunks + strings.Replace(chunk, "\r\n0\r\n", "\r\n0 \r\n", 1),
		"a chunk extension":                      inChunks + strings.Replace(chunk, "\r\n", ";a=b\r\n", 1),
		"an extension of the last chunk":         inChunks + strings.Replace(chunk, "\r\n0\r\n", "\r\n0;a\r\n", 1),
		"an extension with a bare CR":            inChunks + strings.Replace(chunk, "\r\n", ";a\rb\r\n", 1),
		"a size with more zeros":                 inChunks + "0000000000" + chunk,
		"a size that ends with LF":               inChunks + strings.Replace(chunk, "\r\n", "\n", 1),
		"a chunk that ends with LF":              inChunks + strings.Replace(chunk, "\r\n0", "\n0", 1),
		"a trailer that ends with LF":            inChunks + strings.Replace(chunk, "\r\n0\r\n", "\r\n0\r\nX: y\n", 1),
		"a folded trailer":                       inChunks + strings.Replace(chunk, "\r\n0\r\n", "\r\n0\r\nX: y\r\n z\r\n", 1),
		"more bytes in a chunk than its size":    inChunks + "1" + chunk[1:],
		"a size in another base":                 inChunks + "0x" + chunk,
		"chunks that are chunked twice":          head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"a list of codings":                      head + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunk,
		"chunks for which a 100 is asked, twice": head + "Expect: 100-continue\r\nTransfer-Encoding: identity\r\n" + length + "\r\n" + body,
	}
}

func TestRequestsThatOthersMayReadDifferentlyAreRefused(t *testing.T) {
	for name, request := range refusedRequests() {
		t.Run(name, func(t *testing.T) {
			m := &rawtest.Memory{}
			s := start(t, testConfig(), m)
			c := dial(t, s.addr)
			_, _ = io.WriteString(c, request+post("/number", message)) // may be cut
			if half, ok := c.Conn.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			all, _ := io.ReadAll(c.r)
			if n := strings.Count(string(all), "HTTP/1.1 "); n != 1 {
				t.Errorf("%d answers, want one, and then the connection's end: %q", n, all)
			}
			if !bytes.HasPrefix(all, []byte("HTTP/1.1 400 ")) && !bytes.HasPrefix(all, []byte("HTTP/1.1 505 ")) {
				t.Errorf("%.60q, want 400 or 505", all)
			}
			if n := len(m.Records()); n != 0 {
				t.Errorf("%d records", n)
			}
		})
	}
}

func TestExtensionsAndTrailersWithoutEndAreCutEarly(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	head := "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for what, endless := range map[string]string{
		"an extension":                  head + "1;" + strings.Repeat("x", 64<<10),
		"blanks after a size":           head + "1" + strings.Repeat(" ", 64<<10),
		"zeros before a size":           head + strings.Repeat("0", 64<<10),
		"trailers":                      head + "0\r\n" + strings.Repeat("X: y\r\n", 10<<10),
		"a trailer":                     head + "0\r\nX: " + strings.Repeat("y", 64<<10),
		"an extension of a later chunk": head + "1\r\nx\r\n1;" + strings.Repeat("x", 64<<10),
	} {
		c := dial(t, s.addr)
		_, _ = io.WriteString(c, endless) // and no end: the answer has to come without it
		if a := c.answer(); a.code != 400 || a.header.Get("Connection") != "close" {
			t.Errorf("%s: %d %v", what, a.code, a.header)
		}
	}
}

// The framing of real senders and proxies is accepted.
func TestOrdinarySpellingsOfAFrameAreTaken(t *testing.T) {
	body := string(message)
	length := fmt.Sprint(len(body))
	chunked := func(size string) string { return size + "\r\n" + body + "\r\n0\r\n\r\n" }
	for name, request := range map[string]string{
		"names in lower case":      "POST /number HTTP/1.1\r\nhost: x\r\ncontent-length: " + length + "\r\n\r\n" + body,
		"no blank after the colon": "POST /number HTTP/1.1\r\nHost:x\r\nContent-Length:" + length + "\r\n\r\n" + body,
		"blanks around a length":   "POST /number HTTP/1.1\r\nHost: x\r\nContent-Length: \t " + length + " \t\r\n\r\n" + body,
		"an empty header":          "POST /number HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nContent-Length: " + length + "\r\n\r\n" + body,
		"HTTP/1.0":                 "POST /number HTTP/1.0\r\nContent-Length: " + length + "\r\n\r\n" + body,
		"chunks":                   "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(fmt.Sprintf("%x", len(body))),
		"chunks, in capitals":      "POST /number HTTP/1.1\r\nHost: x\r\nTRANSFER-ENCODING: Chunked\r\n\r\n" + chunked(fmt.Sprintf("%X", len(body))),
		"a size with zeros":        "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(fmt.Sprintf("%08x", len(body))),
		"trailers":                 "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + strings.TrimSuffix(chunked(fmt.Sprintf("%x", len(body))), "\r\n") + "X-Sum: 1\r\nX-Other: 2\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := &rawtest.Memory{}
			s := start(t, testConfig(), m)
			c := dial(t, s.addr)
			times := 2 // the second one begins where the first one ends
			if strings.Contains(request, "HTTP/1.0") {
				times = 1
			}
			c.send(strings.Repeat(request, times))
			for range times {
				if a := c.answer(); a.code != 200 {
					t.Fatalf("%d %s", a.code, a.body)
				}
			}
			for _, r := range m.Records() {
				if string(r.Value) != body {
					t.Errorf("value %q", r.Value)
				}
			}
		})
	}
}

func TestPathsAreMatchedLiterallyAfterUnescapingOnce(t *testing.T) {
	cfg := testConfig()
	cfg.Sources[3].Path = "/webhooks/number~1"
	cfg.Sources[3].RequestsMax = 0
	s := start(t, cfg, &rawtest.Memory{})
	for target, code := range map[string]int{
		"/webhooks/number~1":                  200,
		"/webhooks/number~1?x=y":              200,
		"/webhooks/number~1?x=/../z":          200,
		"/webhooks/number%7E1":                200,
		"/webhooks/number%7e1?x":              200,
		"/webhooks/%6eumber~1":                200,
		"http://x/webhooks/number~1":          200,
		"HTTPS://x:1/webhooks/number%7e1?x=y": 200,
		"//webhooks/number~1":                 404,
		"/webhooks//number~1":                 404,
		"/webhooks/./number~1":                404,
		"/./webhooks/number~1":                404,
		"/x/../webhooks/number~1":             404,
		"/webhooks/x/../number~1":             404,
		"/webhooks/number~1/":                 404,
		"/webhooks/number~1/.":                404,
		"/webhooks/number~1/x/..":             404,
		"/webhooks/%2e/number~1":              404,
		"/x/%2e%2e/webhooks/number~1":         404,
		"/webhooks%2Fnumber~1":                404,
		"/webhooks%2fnumber~1":                404,
		"%2Fwebhooks/number~1":                400,
		"/webhooks/number%257E1":              404,
		"/webhooks/number~1%":                 404,
		"/webhooks/number~1%3Fx":              404,
		"/webhooks/number~1%00":               404,
		"/webhooks/number~1#x":                404,
		"/webhooks/number~1;x":                404,
		"/webhooks\\number~1":                 404,
		"/Webhooks/number~1":                  404,
		"http://x//webhooks/number~1":         404,
		"http://x":                            404,
	} {
		c := dial(t, s.addr)
		c.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", target))
		if a := c.answer(); a.code != code {
			t.Errorf("%s: %d %s, want %d", target, a.code, a.body, code)
		}
	}
}

// FuzzChunksEndWhereTheyShould compares the chunk reader with that of fasthttp: an accepted body has the same bytes and the
// same end there. The size of the reads makes no difference.
func FuzzChunksEndWhereTheyShould(f *testing.F) {
	for _, wire := range []string{
		"0\r\n\r\n", "2\r\n{}\r\n0\r\n\r\nrest", "2\r\n{}\r\n0\r\nA: b\r\n\r\n", "1\r\nx\r\n00000002\r\nyz\r\n0\r\n\r\n", "2;x\r\n{}\r\n0\r\n\r\n",
		"2 \r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n", "-1\r\n", "fffffffff\r\n", "2\r\n{}", "2\r\n{}\r\n", "2\r\n{}\r\n0\r\n", "0\r\n\n", "0\r\n A: b\r\n\r\n",
	} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := bytes.NewReader(wire)
		body, err := io.ReadAll(&chunks{r: in})
		slow := bytes.NewReader(wire)
		again, errAgain := io.ReadAll(&chunks{r: iotest.OneByteReader(slow)})
		if !bytes.Equal(body, again) || (err == nil) != (errAgain == nil) || in.Len() != slow.Len() {
			t.Fatalf("%q: %q, %v; byte by byte %q, %v", wire, body, err, again, errAgain)
		}
		if err != nil {
			if !errors.Is(err, errChunks) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%q: %v", wire, err)
			}
			return
		}
		c := &playedConn{request: append([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"), wire[:len(wire)-in.Len()]...), left: 1}
		var theirs []byte
		server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { theirs = bytes.Clone(ctx.Request.Body()) }}
		_ = server.ServeConn(c)
		if c.accepted == 0 && bytes.Contains(wire, []byte(":")) {
			return // fasthttp refuses more of the trailers, which are ignored here
		}
		if c.accepted == 0 || !bytes.Equal(theirs, body) {
			t.Fatalf("%q: %q here, %q there, which answers %q", wire, body, theirs, c.last)
		}
	})
}

// FuzzRequestsThatAreTakenAreReadTheSameElsewhere compares the accepted bodies of a connection with those that net/http
// reads from the same bytes: the same bodies in the same order, as far as net/http accepts them.
func FuzzRequestsThatAreTakenAreReadTheSameElsewhere(f *testing.F) {
	for _, request := range refusedRequests() {
		f.Add([]byte(request + post("/number", message)))
	}
	inChunks := "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
	f.Add([]byte(post("/number", message) + inChunks + post("/number", []byte("{}"))))
	f.Add([]byte("GET /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inChunks))
	f.Add([]byte("POST http://x/number?a=b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}" + inChunks))
	kept := &rawtest.Memory{}
	s, err := New(testConfig(), kept, Deps{Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if bytes.Contains(wire, []byte("100-continue")) || len(wire) == 0 {
			return // it asks for the next request
		}
		kept.Reset()
		_ = s.http.ServeConn(&playedConn{request: wire, left: 1})
		var theirs [][]byte
		in := bufio.NewReader(bytes.NewReader(wire))
		for {
			for { // empty lines before a request are none
				if b, err := in.Peek(2); err != nil || string(b) != "\r\n" {
					break
				}
				_, _ = in.Discard(2)
			}
			r, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				break
			}
			if r.Method == http.MethodPost && r.URL.Path == "/number" {
				theirs = append(theirs, body)
			}
		}
		ours := kept.Records()
		for i := range min(len(ours), len(theirs)) {
			if !bytes.Equal(ours[i].Value, theirs[i]) {
				t.Fatalf("%q: request %d has the body %q here, %q there", wire, i, ours[i].Value, theirs[i])
			}
		}
	})
}

func TestChunksAfterA100AreRead(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	c := dial(t, s.addr)
	for range 2 {
		c.send("POST /number HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
			if line, err := c.r.ReadString('\n'); err != nil || line != want {
				t.Fatalf("%q %v, want %q", line, err, want)
			}
		}
		c.send("2\r\n{}\r\n0\r\n\r\n")
		if a := c.answer(); a.code != 200 {
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	if got := m.Records(); len(got) != 2 || string(got[1].Value) != "{}" {
		t.Errorf("%d records", len(got))
	}
}
