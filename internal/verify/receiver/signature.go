package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// clockTolerance is how far a timestamp of Standard Webhooks may be away, as the reference libraries have it.
const clockTolerance = 5 * time.Minute

// verified reports whether one of the endpoint's secrets signed the request.
func (e *Endpoint) verified(h http.Header, body []byte, now time.Time) bool {
	if e.Format == FormatMeta {
		return e.signed(h.Get("X-Hub-Signature-256"), "sha256=", body, hex.DecodeString, func(secret string) ([]byte, error) { return []byte(secret), nil })
	}
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if at := now.Sub(time.Unix(seconds, 0)); err != nil || id == "" || at > clockTolerance || at < -clockTolerance {
		return false
	}
	content := append([]byte(id+"."+stamp+"."), body...)
	for signature := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		if e.signed(signature, "v1,", content, base64.StdEncoding.DecodeString, func(secret string) ([]byte, error) {
			return base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		}) {
			return true
		}
	}
	return false
}

// signed compares a signature behind its prefix with that of each secret.
func (e *Endpoint) signed(text, prefix string, content []byte, decode, key func(string) ([]byte, error)) bool {
	digits, ok := strings.CutPrefix(text, prefix)
	got, err := decode(digits)
	if !ok || err != nil {
		return false
	}
	for _, secret := range e.Secrets {
		k, err := key(secret)
		if err != nil || len(k) == 0 {
			continue
		}
		mac := hmac.New(sha256.New, k)
		mac.Write(content)
		if hmac.Equal(mac.Sum(nil), got) {
			return true
		}
	}
	return false
}
