package contentcoding

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

type coding uint8

const (
	codingGzip coding = iota
	codingDeflate
	codingBrotli
	codingZstd
)

func (c coding) String() string { return [...]string{"gzip", "deflate", "br", "zstd"}[c] }

func parseCoding(name []byte) (coding, bool) {
	switch {
	case bytes.EqualFold(name, []byte("gzip")), bytes.EqualFold(name, []byte("x-gzip")):
		return codingGzip, true
	case bytes.EqualFold(name, []byte("deflate")):
		return codingDeflate, true
	case bytes.EqualFold(name, []byte("br")):
		return codingBrotli, true
	case bytes.EqualFold(name, []byte("zstd")):
		return codingZstd, true
	}
	return 0, false
}

// decode undoes one coding, appending to dst, up to bound bytes.
func (c coding) decode(dst, src []byte, bound int) ([]byte, error) {
	switch c {
	case codingGzip:
		return decodeGzip(dst, src, bound)
	case codingDeflate:
		return decodeDeflate(dst, src, bound)
	case codingBrotli:
		return decodeBrotli(dst, src, bound)
	default:
		return decodeZstd(dst, src, bound)
	}
}

// errBound stops a decoder at the limit.
var errBound = errors.New("limit reached")

var errTrailing = errors.New("data after the end")

// Decoders hold windows and tables of up to some hundred KiB; the pools spare building them for each
// body. They hold no state from one body to the next: every use begins with a reset.
var (
	gzipPool   sync.Pool // *gzip.Reader
	zlibPool   sync.Pool // io.ReadCloser that is a zlib.Resetter
	flatePool  sync.Pool // io.ReadCloser that is a flate.Resetter
	brotliPool sync.Pool // *brotli.Reader
	zstdPool   sync.Pool // *zstd.Decoder
)

func decodeGzip(dst, src []byte, bound int) ([]byte, error) {
	in := bytes.NewReader(src)
	z, _ := gzipPool.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	if err := z.Reset(in); err != nil {
		return dst, noEOF(err)
	}
	dst, err := readAll(dst, z, bound)
	gzipPool.Put(z)
	return dst, err
}

// decodeDeflate takes the zlib envelope that RFC 9110 asks for, and the bare stream that some senders
// put in its place. The envelope's two bytes tell them apart but for one bare stream in a thousand,
// hence the second try.
func decodeDeflate(dst, src []byte, bound int) ([]byte, error) {
	if len(src) >= 2 && src[0]&0x0f == 8 && (uint(src[0])<<8|uint(src[1]))%31 == 0 {
		out, err := decodeZlib(dst, src, bound)
		if err == nil || errors.Is(err, errBound) {
			return out, err
		}
		if out, rawErr := decodeFlate(dst, src, bound); rawErr == nil {
			return out, nil
		}
		return dst, err
	}
	return decodeFlate(dst, src, bound)
}

func decodeZlib(dst, src []byte, bound int) ([]byte, error) {
	in := bytes.NewReader(src)
	z, _ := zlibPool.Get().(io.ReadCloser)
	if z == nil {
		var err error
		if z, err = zlib.NewReader(in); err != nil {
			return dst, noEOF(err)
		}
	} else if err := z.(zlib.Resetter).Reset(in, nil); err != nil {
		return dst, noEOF(err)
	}
	dst, err := readAll(dst, z, bound)
	if err == nil && in.Len() != 0 {
		err = errTrailing
	}
	zlibPool.Put(z)
	return dst, err
}

func decodeFlate(dst, src []byte, bound int) ([]byte, error) {
	in := bytes.NewReader(src)
	z, _ := flatePool.Get().(io.ReadCloser)
	if z == nil {
		z = flate.NewReader(in)
	} else if err := z.(flate.Resetter).Reset(in, nil); err != nil {
		return dst, err
	}
	dst, err := readAll(dst, z, bound)
	if err == nil && in.Len() != 0 {
		err = errTrailing
	}
	flatePool.Put(z)
	return dst, err
}

func decodeBrotli(dst, src []byte, bound int) ([]byte, error) {
	in := bytes.NewReader(src)
	z, _ := brotliPool.Get().(*brotli.Reader)
	if z == nil {
		z = brotli.NewReader(in)
	} else if err := z.Reset(in); err != nil {
		return dst, err
	}
	dst, err := readAll(dst, z, bound)
	if err == nil && in.Len() != 0 {
		err = errTrailing
	}
	brotliPool.Put(z)
	return dst, err
}

// zstdWindowMax is the window that RFC 8878 asks of every decoder for content-encoding (RFC 9659).
const zstdWindowMax = 8 << 20

func decodeZstd(dst, src []byte, bound int) ([]byte, error) {
	if len(src) == 0 {
		return dst, io.ErrUnexpectedEOF // the decoder takes no frame at all for an empty body
	}
	in := bytes.NewReader(src)
	z, _ := zstdPool.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		z, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindowMax))
		if err != nil {
			return dst, fmt.Errorf("new decoder: %w", err)
		}
	}
	if err := z.Reset(in); err != nil {
		return dst, err
	}
	dst, err := readAll(dst, z, bound)
	_ = z.Reset(nil) // release src; with a nil reader it cannot fail
	zstdPool.Put(z)
	return dst, err
}

// readAll appends all of r to dst, and fails with errBound when that is more than bound bytes.
func readAll(dst []byte, r io.Reader, bound int) ([]byte, error) {
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(max(len(dst), 4<<10), bound+1))
		}
		// One byte more than allowed, to see whether there is one.
		room := dst[len(dst):min(cap(dst), start+bound+1)]
		n, err := r.Read(room)
		dst = dst[:len(dst)+n]
		if len(dst)-start > bound {
			return dst, errBound
		}
		if err == io.EOF { // itself: an error that wraps it is a body that was cut
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// noEOF makes the end of the input inside a header the error that it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
