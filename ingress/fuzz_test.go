package ingress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/contentcoding"
)

// FuzzSignatureIsTakenOnlyAsItIsWritten holds the reading of signature headers against the one way to
// write them: nothing else decodes, and what decodes verifies exactly the body that was signed.
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
		for _, provider := range []string{ProviderMeta, Provider360Dialog} {
			scheme := schemeOf(provider)
			x := &exchange{}
			decoded := scheme.decode(&x.mac, value)
			rest, prefixed := strings.CutPrefix(string(value), "sha256=")
			want, err := hex.DecodeString(rest)
			right := err == nil && len(want) == sha256.Size && (prefixed || provider == Provider360Dialog)
			if decoded != right || decoded && !bytes.Equal(x.mac[:], want) {
				t.Fatalf("%s: %q decodes: %t, want %t", provider, value, decoded, right)
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
				t.Fatalf("%s: %q of %q matches: %t, want %t", provider, value, body, got, signed)
			}
		}
		// What was signed is accepted, and one bit of difference is not.
		x := &exchange{}
		scheme := schemeOf(ProviderMeta)
		if !scheme.decode(&x.mac, []byte("sha256="+sign(oldSecret, body))) || !known.matches(x, body) || string(x.secretID) != "two" {
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

// FuzzEncodedBodyIsVerifiedAndRouted takes a body the whole way from the wire to its lane: the signature is that of
// the decoded body, a bit of difference in either is refused, and the coding has no say in where it goes.
func FuzzEncodedBodyIsVerifiedAndRouted(f *testing.F) {

	for coding, encode := range encoders(f) {
		f.Add(coding, encode(message), uint16(0))
		f.Add(coding, encode(historyBody(2000)), uint16(700))
		f.Add(coding+", "+coding, encode(encode(message)), uint16(1))
	}
	f.Add("identity", message, uint16(3))
	f.Add("gzip", []byte("\x1f\x8b"), uint16(0))
	limits := contentcoding.Limits{BytesMax: 256 << 10, RatioMax: 200}
	known := newCredentials("", []Secret{{ID: "one", Value: testSecret}, {ID: "two", Value: oldSecret}})
	scheme := schemeOf(ProviderMeta)
	f.Fuzz(func(t *testing.T, coding string, wire []byte, flip uint16) {
		plain, err := contentcoding.Decode(nil, coding, wire, limits)
		if err != nil {
			return
		}
		if len(plain) > limits.BytesMax {
			t.Fatalf("%d bytes", len(plain))
		}
		signature := []byte("sha256=" + sign(testSecret, plain))
		x := &exchange{}
		if !scheme.decode(&x.mac, signature) || !known.matches(x, plain) || string(x.secretID) != "one" {
			t.Fatalf("%q: the signature of %q is refused", coding, plain)
		}
		if len(plain) > 0 {
			other := bytes.Clone(plain)
			other[int(flip)%len(other)] ^= 1
			if known.matches(x, other) {
				t.Fatalf("%q: the signature of %q is taken for that of %q", coding, plain, other)
			}
		}
		x.mac[int(flip)%len(x.mac)] ^= 1 << (flip % 8)
		if known.matches(x, plain) {
			t.Fatalf("%q: a signature with bit %d of byte %d turned is taken for that of %q", coding, flip%8, int(flip)%len(x.mac), plain)
		}
		topic, waba := Route(plain)
		if !topic.Raw() || len(waba) > idBytesMax || !bytes.Contains(plain, waba) {
			t.Fatalf("%s, WABA %q", topic, waba)
		}
		for name, encode := range encoders(t) {
			again, err := contentcoding.Decode(nil, name, encode(plain), limits)
			if errors.Is(err, contentcoding.ErrTooLong) {
				continue // a body that repeats itself beyond the ratio
			}
			if err != nil || !bytes.Equal(again, plain) {
				t.Fatalf("%s: %q comes back as %q, %v", name, plain, again, err)
			}
			if lane, who := Route(again); lane != topic || !bytes.Equal(who, waba) {
				t.Fatalf("%s: %s of %q, but plain %s of %q", name, lane, who, topic, waba)
			}
		}
	})
}
