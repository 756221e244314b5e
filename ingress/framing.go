package ingress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/valyala/fasthttp"
)

// fasthttp is lenient: it joins folded lines, accepts `Transfer-Encoding: identity`, any HTTP version, and unbounded chunk
// extensions. A proxy in front of the server may find another end of such a request (request smuggling). Therefore the
// header lines are checked again as they were received, and chunks are read here.

// framed checks the framing of a request by its header bytes as received. It reports whether the body is chunked.
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

// headersRead is the hook of fasthttp after the headers. It disables the chunk reader of fasthttp: the stream of the body
// then has the bytes as received, without an end. fasthttp reads one byte of them before the handler runs.
func headersRead(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() != -1 {
		return fasthttp.RequestConfig{}
	}
	h.SetContentLength(math.MaxInt)
	return fasthttp.RequestConfig{MaxRequestBodySize: 1}
}

// chunks decodes a chunked body. It reads nothing behind the end of the body.
//
// It accepts a strict part of RFC 9112, because intermediaries read the rest differently: a size has 1 to 8 hexadecimal
// digits and ends with CR LF; blanks and extensions are errors. Trailers are bounded and ignored.
type chunks struct {
	r     io.Reader
	left  int // of the chunk
	begun bool
	ended bool
	one   [1]byte
}

// The bounds of the framing of a chunked body.
const (
	chunkDigitsMax   = 8
	trailersBytesMax = 4 << 10
)

// errChunks is the error of a malformed chunked body.
var errChunks = errors.New("broken chunks")

// Read implements io.Reader. io.EOF is the end of the body, never of the connection.
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

// next reads the end of the former chunk and the size line of the next one. After the last chunk it reads the trailers.
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

// trailers reads lines until an empty one.
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

// cutShort returns the error of a connection that ends within a body.
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
