package contentcoding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var encoders = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			panic(err)
		}
		return z
	},
}

func encode(t testing.TB, coding string, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := encoders[coding](&out)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func rawDeflate(t testing.TB, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sample is text of n bytes that compresses about as well as a webhook.
func sample(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(`{"id":"wamid.`)
		for range 24 {
			b.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[rng.IntN(32)])
		}
		b.WriteString(`","type":"text","text":{"body":"hello"}},`)
	}
	return b.Bytes()[:n]
}

func TestEveryCodingGivesTheBodyBack(t *testing.T) {
	for coding := range encoders {
		for _, n := range []int{0, 1, 2, 1 << 10, 300 << 10, 1 << 20} {
			body := sample(n)
			for _, header := range []string{coding, strings.ToUpper(coding), " " + coding + " , identity"} {
				got, err := Decode(nil, header, encode(t, coding, body), Limits{})
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("%s of %d bytes: %d bytes, %v", header, n, len(got), err)
				}
			}
		}
	}
}

func TestDeflateIsTakenBareToo(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100, 300 << 10} {
		body := sample(n)
		got, err := Decode(nil, "deflate", rawDeflate(t, body), Limits{})
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %d bytes, %v", n, len(got), err)
		}
	}
}

func TestCodingsAreUndoneLastFirst(t *testing.T) {
	body := sample(10 << 10)
	twice := encode(t, "br", encode(t, "gzip", body))
	got, err := Decode(nil, "gzip, br", twice, Limits{})
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("gzip, br: %d bytes, %v", len(got), err)
	}
	if _, err := Decode(nil, "br, gzip", twice, Limits{}); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("br, gzip: %v, want corrupt", err)
	}
}

func TestIdentityIsCopied(t *testing.T) {
	for _, header := range []string{"", "identity", "Identity, identity", " , "} {
		if !Identity(header) {
			t.Errorf("Identity(%q) = false", header)
		}
		body := []byte("body")
		got, err := Decode(nil, header, body, Limits{})
		if err != nil || string(got) != "body" || &got[0] == &body[0] {
			t.Errorf("%q: %q, %v", header, got, err)
		}
	}
	if Identity("gzip") || Identity("identity,br") {
		t.Error("a coding was taken for identity")
	}
}

func TestUnknownCodingsAreRefused(t *testing.T) {
	for _, header := range []string{"compress", "gzip, lzma", "gzip;q=1", "gzip,gzip,gzip,gzip"} {
		if _, err := Decode(nil, header, encode(t, "gzip", nil), Limits{}); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: %v, want unsupported", header, err)
		}
	}
}

func TestDecodedBytesAreLimitedExactly(t *testing.T) {
	body := sample(100 << 10)
	for coding := range encoders {
		wire := encode(t, coding, body)
		if got, err := Decode(nil, coding, wire, Limits{BytesMax: len(body)}); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s at the limit: %v", coding, err)
		}
		if _, err := Decode(nil, coding, wire, Limits{BytesMax: len(body) - 1}); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s over the limit: %v, want too long", coding, err)
		}
	}
	if _, err := Decode(nil, "", body, Limits{BytesMax: 10}); !errors.Is(err, ErrTooLong) {
		t.Errorf("identity over the limit: %v, want too long", err)
	}
}

func TestBombsAreStoppedByTheRatio(t *testing.T) {
	zeros := make([]byte, 4<<20)
	for coding := range encoders {
		wire := encode(t, coding, zeros)
		dst := make([]byte, 0, 16)
		out, err := Decode(dst, coding, wire, Limits{})
		if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "times") {
			t.Errorf("%s: %d bytes became %d: %v, want the ratio", coding, len(wire), len(out), err)
		}
	}
	// A bomb inside a coding: the ratio counts from the wire.
	nested := encode(t, "gzip", encode(t, "gzip", zeros))
	if _, err := Decode(nil, "gzip, gzip", nested, Limits{}); !errors.Is(err, ErrTooLong) {
		t.Errorf("nested: %v, want too long", err)
	}
}

func TestRatioIsNotHeldAgainstShortBodies(t *testing.T) {
	body := make([]byte, RatioFree)
	for coding := range encoders {
		if _, err := Decode(nil, coding, encode(t, coding, body), Limits{RatioMax: 2}); err != nil {
			t.Errorf("%s: %v", coding, err)
		}
	}
}

func TestCutAndPaddedBodiesAreCorrupt(t *testing.T) {
	body := sample(2000)
	for coding := range encoders {
		wire := encode(t, coding, body)
		for _, cut := range []int{0, 1, 2, 5, len(wire) / 2, len(wire) - 1} {
			if out, err := Decode(nil, coding, wire[:cut], Limits{}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s cut at %d of %d: %d bytes, %v", coding, cut, len(wire), len(out), err)
			}
		}
		if _, err := Decode(nil, coding, append(bytes.Clone(wire), "garbage after the end"...), Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with garbage after the end: %v", coding, err)
		}
	}
}

func TestErrorsHoldNothingOfTheBody(t *testing.T) {
	secret := "4915112345678"
	for coding := range encoders {
		_, err := Decode(nil, coding, []byte(secret+secret), Limits{})
		if err == nil || strings.Contains(err.Error(), "4915") {
			t.Errorf("%s: %v", coding, err)
		}
	}
}

func TestPooledDecodersCarryNothingOver(t *testing.T) {
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 10 {
				for coding := range encoders {
					body := sample(worker*1000 + i)
					wire := encode(t, coding, body)
					_, _ = Decode(nil, coding, wire[:len(wire)/2], Limits{})
					got, err := Decode(nil, coding, wire, Limits{})
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("%s after a corrupt body: %v", coding, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecodeStaysWithinItsLimits(f *testing.F) {
	for coding := range encoders {
		f.Add(coding, encode(f, coding, sample(500)))
	}
	f.Add("deflate", rawDeflate(f, sample(500)))
	f.Add("gzip, br", []byte("x"))
	lim := Limits{BytesMax: 100 << 10, RatioMax: 50}
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		out, err := Decode(nil, encoding, body, lim)
		if err != nil {
			if !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrTooLong) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		if len(out) > lim.BytesMax || (!Identity(encoding) && len(out) > lim.Bound(len(body))) {
			t.Fatalf("%d bytes from %d", len(out), len(body))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := sample(1 << 20)
	for _, coding := range []string{"gzip", "deflate", "br", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			wire := encode(b, coding, body)
			dst := make([]byte, 0, len(body)+1)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(dst, coding, wire, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
