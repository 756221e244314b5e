package ingress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestVerifierHoldsARecordAgainstTheSecretsOfItsSource(t *testing.T) {
	v := NewVerifier([]Source{
		{Name: "meta", Provider: "meta", Secrets: []Secret{{ID: "old", Value: "s1"}, {ID: "new", Value: "s2"}}},
		{Name: "dialog", Provider: "360dialog", Secrets: []Secret{{ID: "a", Value: "s3"}}},
		{Name: "cloud", Provider: "ycloud", Secrets: []Secret{{ID: "a", Value: "s4"}}},
	})
	body := []byte(`{"entry":[]}`)
	sign := func(secret string) string {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(body)
		return hex.EncodeToString(m.Sum(nil))
	}
	stamped := func(secret, at string) string {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(append([]byte(at+"."), body...))
		return "t=" + at + ",s=" + hex.EncodeToString(m.Sum(nil))
	}
	for name, c := range map[string]struct {
		source, signature, secret string
		want                      error
	}{
		"its secret":                  {"meta", "sha256=" + sign("s2"), "new", nil},
		"a secret that was renamed":   {"meta", "sha256=" + sign("s1"), "gone", nil},
		"360dialog without prefix":    {"dialog", sign("s3"), "a", nil},
		"YCloud's":                    {"cloud", stamped("s4", "1654084800"), "a", nil},
		"YCloud's of another time":    {"cloud", strings.Replace(stamped("s4", "1654084800"), "t=1", "t=2", 1), "a", errSignature},
		"YCloud's with a secret else": {"cloud", stamped("s3", "1654084800"), "a", errSignature},
		"YCloud's without a time":     {"cloud", "s=" + sign("s4"), "a", errSignature},
		"another source's secret":     {"meta", "sha256=" + sign("s3"), "old", errSignature},
		"no signature":                {"meta", "", "", ErrNotSigned},
		"a source that is not there":  {"other", "sha256=" + sign("s1"), "old", errUnknownSource},
		"a header that is no MAC":     {"meta", "sha256=zz", "old", errSignature},
		"Meta's without the prefix":   {"meta", sign("s1"), "old", errSignature},
		"a signature of another body": {"meta", "sha256=" + hex.EncodeToString(make([]byte, 32)), "old", errSignature},
	} {
		err := v.Verify([]byte(c.source), []byte(c.signature), []byte(c.secret), body)
		if !errors.Is(err, c.want) || (c.want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
