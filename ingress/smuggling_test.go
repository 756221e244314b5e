package ingress

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// A proxy before the ingress may see another end of a request than the ingress does. Then a part of one sender's body could
// become a request of another one. Therefore ambiguous requests are refused and their connections closed, and a hidden
// request is never accepted.
func TestAmbiguousFramingIsRefusedAndSmugglesNothing(t *testing.T) {
	hidden := post("/number", []byte(`{"smuggled":true}`))
	head := "POST /number HTTP/1.1\r\nHost: x\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hidden))
	end := "0\r\n\r\n" + hidden
	for name, request := range map[string]string{
		"length, then chunks":          head + length + "Transfer-Encoding: chunked\r\n\r\n" + end,
		"chunks, then length":          head + "Transfer-Encoding: chunked\r\n" + length + "\r\n" + end,
		"chunks, length in lower case": head + "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n" + end,
		"two lengths":                  head + "Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}" + hidden,
		"a list of lengths":            head + "Content-Length: 2, 4\r\n\r\n{}" + hidden,
		"a signed length":              head + "Content-Length: +2\r\n\r\n{}" + hidden,
		"a negative length":            head + "Content-Length: -2\r\n\r\n{}" + hidden,
		"a hexadecimal length":         head + "Content-Length: 0x2\r\n\r\n{}" + hidden,
		"a length that overflows":      head + "Content-Length: 18446744073709551618\r\n\r\n{}" + hidden,
		"space before the colon":       head + "Transfer-Encoding : chunked\r\n\r\n" + end,
		"space before length's colon":  head + "Content-Length : 2\r\n\r\n{}" + hidden,
		"a folded line":                head + "Transfer-Encoding:\r\n chunked\r\n" + length + "\r\n" + end,
		"an unknown coding":            head + "Transfer-Encoding: xchunked\r\n" + length + "\r\n" + end,
		"a coding before chunked":      head + "Transfer-Encoding: gzip, chunked\r\n" + length + "\r\n" + end,
		"a coding after chunked":       head + "Transfer-Encoding: chunked, identity\r\n" + length + "\r\n" + end,
		"two codings in two lines":     head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" + length + "\r\n" + end,
		"a vertical tab in the coding": head + "Transfer-Encoding: \x0bchunked\r\n" + length + "\r\n" + end,
		"a NUL in a name":              head + "Transfer-Encoding\x00: chunked\r\n" + length + "\r\n" + end,
		"a bare CR in a value":         head + "X: a\rTransfer-Encoding: chunked\r\n" + length + "\r\n" + end,
		"chunks in HTTP/1.0":           "POST /number HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + length + "\r\n" + end,
		"a chunk of negative size":     head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
		"a chunk that overflows":       head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff2\r\n{}\r\n" + end,
		"a chunk of no size":           head + "Transfer-Encoding: chunked\r\n\r\n\r\n" + hidden,
		"a chunk longer than it says":  head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n" + end,
		"a chunk that ends with LF":    head + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n" + end,
		"no space after the method":    "POST/number HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + hidden,
		"HTTP/2 without asking":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
		"an upgrade":                   "GET /number HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n" + length + "\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			m := &rawtest.Memory{}
			s := start(t, testConfig(), m)
			c := dial(t, s.addr)
			_, _ = io.WriteString(c, request) // may be cut
			if half, ok := c.Conn.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			all, _ := io.ReadAll(c.r)
			for _, r := range m.Records() {
				// Here the hidden request is the whole body, framed by its right length.
				if bytes.HasPrefix(r.Value, []byte(`{"smuggled"`)) {
					t.Errorf("the hidden request was taken; answers: %q", all)
				}
			}
			if n := strings.Count(string(all), "HTTP/1.1 "); n > 1 {
				t.Errorf("%d answers: %q", n, all)
			}
		})
	}
}

func TestChunksOfAnySizeAreBoundedAndOthersServed(t *testing.T) {
	a := underAttack(t, testConfig())
	head := "POST /number HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for what, body := range map[string]func(w io.Writer){
		"bytes one by one": func(w io.Writer) {
			block := []byte(strings.Repeat("1\r\nx\r\n", 10_000))
			for range 500 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"a chunk that never ends": func(w io.Writer) {
			_, _ = io.WriteString(w, "7fffffff\r\n")
			block := bytes.Repeat([]byte("x"), 64<<10)
			for range 100 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"an extension that never ends": func(w io.Writer) {
			_, _ = io.WriteString(w, "1;")
			block := bytes.Repeat([]byte("x"), 64<<10)
			for range 100 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"trailers that never end": func(w io.Writer) {
			_, _ = io.WriteString(w, "0\r\n")
			block := []byte(strings.Repeat("X-Trailer: x\r\n", 5000))
			for range 100 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
	} {
		a.attackers(8, func(c net.Conn) {
			answered := make(chan []byte, 1)
			go func() {
				b, _ := io.ReadAll(c)
				answered <- b
			}()
			_, _ = io.WriteString(c, head)
			body(c)
			_ = c.(*net.TCPConn).CloseWrite()
			if b := <-answered; bytes.Contains(b, []byte(" 200 ")) {
				t.Errorf("%s: %.40q", what, b)
			}
		})
	}
	a.over()
}
