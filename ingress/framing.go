package ingress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/valyala/fasthttp"
)

// fasthttp reads requests generously: it joins folded lines, takes `Transfer-Encoding: identity`, any HTTP version, and
// chunk extensions without end. What stands before this server may read such a request in another way, and see another
// end of it. So the lines are looked at again as they came, and chunks are read here.

// framed checks how a request is framed, by the bytes of its headers as they came, and tells whether its body is chunked.
func framed(h *fasthttp.RequestHeader) (chunked bool, r *refusal) {
	if version := h.Protocol(); string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0" {
		return false, refuseVersion
	}
	length := false
	for lines := h.RawHeaders(); len(lines) > 0; {
		n := bytes.IndexByte(lines, '\n')
		if n < 1 || lines[n-1] != '\r' {
			return false, refuseLine
		}
		line := lines[:n-1]
		lines = lines[n+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0 {
			return false, refuseLine // a folded line as well: it begins with a blank
		}
		switch name := line[:colon]; {
		case len(name) == len(fasthttp.HeaderContentLength) && bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength)):
			length = true
		case len(name) == len(fasthttp.HeaderTransferEncoding) && bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding)):
			if chunked || !bytes.EqualFold(bytes.Trim(line[colon+1:], " \t"), []byte("chunked")) {
				return false, refuseCoding
			}
			chunked = true
		}
	}
	if chunked && length {
		return false, refuseFraming
	}
	return chunked, nil
}

// headersRead is fasthttp's hook. It takes the chunks away from fasthttp: the body's stream then has the bytes
// as they came, without an end. One byte of them is read before the request is handled.
func headersRead(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() != -1 {
		return fasthttp.RequestConfig{}
	}
	h.SetContentLength(math.MaxInt)
	return fasthttp.RequestConfig{MaxRequestBodySize: 1}
}

// chunks reads a chunked body from the bytes as they came. It reads nothing behind the end of the body.
//
// It takes what RFC 9112 has senders write, without what nobody needs and what intermediaries read differently: a size is 1 to 8
// hexadecimal digits, and ends with CR LF. There are no blanks and no extensions. Trailers are bounded, and ignored.
type chunks struct {
	r     io.Reader
	left  int // of the chunk
	begun bool
	ended bool
	one   [1]byte
}

// The bounds of a chunked body beside its bytes.
const (
	chunkDigitsMax   = 8
	trailersBytesMax = 4 << 10
)

// errChunks is a body that is not in chunks as they should be.
var errChunks = errors.New("broken chunks")

// Read implements io.Reader. Its io.EOF is the end of the body, never that of the connection.
func (c *chunks) Read(b []byte) (int, error) {
	if c.ended {
		return 0, io.EOF
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.ended {
			return 0, io.EOF
		}
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.r.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, cutShort(err)
}

// next reads the line of a size, after the end of the former chunk's line, and after the last one what ends the body.
func (c *chunks) next() error {
	if c.begun {
		if err := c.lineEnd(); err != nil {
			return err
		}
	}
	c.begun = true
	size, digits := 0, 0
	for {
		b, err := c.byte()
		if err != nil {
			return err
		}
		digit, ok := hexDigit(b)
		if !ok {
			if b != '\r' || digits == 0 {
				return fmt.Errorf("%w: %q in the line of a size", errChunks, b)
			}
			break
		}
		if digits++; digits > chunkDigitsMax {
			return fmt.Errorf("%w: a size has more than %d digits", errChunks, chunkDigitsMax)
		}
		size = size<<4 | digit
	}
	if b, err := c.byte(); err != nil || b != '\n' {
		return errors.Join(err, errChunks)
	}
	if c.left = size; size > 0 {
		return nil
	}
	if err := c.trailers(); err != nil {
		return err
	}
	c.ended = true
	return nil
}

// trailers reads lines up to an empty one.
func (c *chunks) trailers() error {
	inLine, colon := 0, false
	for total := 0; total < trailersBytesMax; total++ {
		b, err := c.byte()
		switch {
		case err != nil:
			return err
		case b == '\r':
			if b, err = c.byte(); err != nil || b != '\n' {
				return errors.Join(err, errChunks)
			}
			if inLine == 0 {
				return nil
			}
			if !colon {
				return fmt.Errorf("%w: a trailer without a colon", errChunks)
			}
			inLine, colon = 0, false
		case b == '\n', inLine == 0 && (b == ' ' || b == '\t' || b == ':'):
			return fmt.Errorf("%w: a trailer's line", errChunks)
		default:
			inLine++
			colon = colon || b == ':'
		}
	}
	return fmt.Errorf("%w: trailers have more than %d bytes", errChunks, trailersBytesMax)
}

func (c *chunks) lineEnd() error {
	for _, want := range []byte("\r\n") {
		if b, err := c.byte(); err != nil || b != want {
			return errors.Join(err, errChunks)
		}
	}
	return nil
}

func (c *chunks) byte() (byte, error) {
	for {
		n, err := c.r.Read(c.one[:])
		if n == 1 {
			return c.one[0], nil
		}
		if err != nil {
			return 0, cutShort(err)
		}
	}
}

// cutShort is the error of a connection that ends within a body.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func hexDigit(b byte) (int, bool) {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0'), true
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10, true
	}
	return 0, false
}
