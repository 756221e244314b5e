package ingress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/schemas/provider"
)

// FuzzSignatureIsTakenOnlyAsItIsWritten: only the documented form of a signature header decodes, and it verifies only the
// body that was signed.
func FuzzSignatureIsTakenOnlyAsItIsWritten(f *testing.F) {
	digits := sign(testSecret, []byte("{}"))
	for _, value := range []string{
		"sha256=" + digits, digits, "sha256=" + strings.ToUpper(digits), "SHA256=" + digits, "sha256=" + digits + " ", "sha256= " + digits,
		"sha256=" + digits[:62], "sha256=" + digits + "00", "sha256=sha256=" + digits, "sha1=" + digits, "", "sha256=", "sha256=" + strings.Repeat("g", 64),
	} {
		f.Add([]byte(value), []byte("{}"))
	}
	known := newCredentials("", []Secret{{ID: "one", Value: testSecret}, {ID: "two", Value: oldSecret}})
	f.Fuzz(func(t *testing.T, value, body []byte) {
		for _, name := range []string{"meta", "360dialog"} {
			signature := provider.Named(name).Signature
			x := &exchange{}
			_, decoded := signature.Decode(&x.mac, value)
			rest, prefixed := strings.CutPrefix(string(value), "sha256=")
			want, err := hex.DecodeString(rest)
			right := err == nil && len(want) == sha256.Size && (prefixed || name == "360dialog")
			if decoded != right || decoded && !bytes.Equal(x.mac[:], want) {
				t.Fatalf("%s: %q decodes: %t, want %t", name, value, decoded, right)
			}
			if !decoded {
				continue
			}
			signed := false
			for _, secret := range []string{testSecret, oldSecret} {
				h := hmac.New(sha256.New, []byte(secret))
				h.Write(body)
				signed = signed || bytes.Equal(h.Sum(nil), want)
			}
			if got := known.matches(x, body); got != signed || got == (x.secretID == nil) {
				t.Fatalf("%s: %q of %q matches: %t, want %t", name, value, body, got, signed)
			}
		}
		// The signed body is accepted, and a body with one different bit is not.
		x := &exchange{}
		signature := provider.Named("meta").Signature
		if _, ok := signature.Decode(&x.mac, []byte("sha256="+sign(oldSecret, body))); !ok || !known.matches(x, body) || string(x.secretID) != "two" {
			t.Fatalf("the signature of %q is refused", body)
		}
		if len(body) > 0 {
			other := bytes.Clone(body)
			other[len(value)%len(body)] ^= 1
			if known.matches(x, other) {
				t.Fatalf("the signature of %q is taken for that of %q", body, other)
			}
		}
	})
}

// keeping is a Durable that keeps the last record.
type keeping struct{ topic, key, value string }

func (k *keeping) Publish(r *raw.Record, _ time.Time) error {
	k.topic, k.key, k.value = r.Topic.String(), string(r.Key), string(r.Value)
	return nil
}

func (*keeping) Ready() error { return nil }

// FuzzEncodedBodyIsVerifiedAndRouted sends a body through the handler. The signature may cover the bytes on the wire or the
// decoded bytes; the signed form is kept. The coding does not change lane and key. A body with one different bit is refused,
// and so is a signed body that cannot be decoded.
func FuzzEncodedBodyIsVerifiedAndRouted(f *testing.F) {
	for coding, encode := range encoders(f) {
		f.Add(coding, encode(message), uint16(0))
		f.Add(coding, encode(historyBody(2000)), uint16(700))
		f.Add(coding, encode(nil), uint16(2))
		f.Add(coding+", "+coding, encode(encode(message)), uint16(1))
	}
	f.Add("identity", message, uint16(3))
	f.Add("gzip", []byte("\x1f\x8b"), uint16(0))
	limits := contentcoding.Limits{BytesMax: 256 << 10, RatioMax: 200}
	cfg := testConfig()
	cfg.DecodedBytesMax, cfg.RatioMax = limits.BytesMax, limits.RatioMax
	kept := new(keeping)
	s, err := New(cfg, kept, Deps{Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	// post returns the code of the answer and the record.
	post := func(coding string, body []byte, mac string) (int, keeping) {
		var ctx fasthttp.RequestCtx
		ctx.Init2(&idleConn{}, httpLog{s.log}, false)
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/meta")
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.Header.Set("X-Hub-Signature-256", "sha256="+mac)
		if coding != "" {
			ctx.Request.Header.Set("Content-Encoding", coding)
		}
		ctx.Request.SetBodyStream(bytes.NewReader(body), len(body))
		*kept = keeping{}
		s.handle(&ctx)
		return ctx.Response.StatusCode(), *kept
	}
	f.Fuzz(func(t *testing.T, coding string, wire []byte, flip uint16) {
		if strings.ContainsFunc(coding, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(coding) != coding || len(wire) > limits.BytesMax {
			return // no header has that, and longer bodies are another test's
		}
		plain, err := contentcoding.Decode(nil, coding, wire, limits)
		if err != nil {
			if code, k := post(coding, wire, sign(testSecret, wire)); code == 200 || k != (keeping{}) {
				t.Fatalf("%q: %q cannot be decoded (%v), and is answered %d", coding, wire, err, code)
			}
			return
		}
		if len(wire) == 0 {
			return
		}
		code, alone := post("", plain, sign(testSecret, plain))
		if len(plain) > 0 && code != 200 {
			t.Fatalf("%q: its plain body %q is answered %d", coding, plain, code)
		}
		for _, signed := range [][]byte{wire, plain} {
			mac := []byte(sign(testSecret, signed))
			code, k := post(coding, wire, string(mac))
			if len(plain) > 0 && (code != 200 || k.topic != alone.topic || k.key != alone.key || k.value != string(signed)) {
				t.Fatalf("%q: %q, signed as %q, is answered %d and kept as %+v; plain it is %+v", coding, wire, signed, code, k, alone)
			}
			other := bytes.Clone(signed)
			if len(other) > 0 {
				other[int(flip)%len(other)] ^= 1 << (flip % 8)
				if code, k := post(coding, wire, sign(testSecret, other)); code != 401 || k != (keeping{}) {
					t.Fatalf("%q: %q with the signature of %q is answered %d", coding, wire, other, code)
				}
			}
			digit := &mac[int(flip)%len(mac)]
			if *digit == '0' {
				*digit = '1'
			} else {
				*digit = '0'
			}
			if code, k := post(coding, wire, string(mac)); code != 401 || k != (keeping{}) {
				t.Fatalf("%q: %q with a digit of its signature changed is answered %d", coding, wire, code)
			}
		}
	})
}
