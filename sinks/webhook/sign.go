package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// headerMetaSignature is the header of Meta's webhooks.
const headerMetaSignature = "X-Hub-Signature-256"

func keyOf(secret string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
}

// sign sets the headers that prove where a body comes from. A CloudEvent has a signature of every secret, so that a receiver may
// know the old one or the new one. A webhook of Meta has one signature: of the first secret.
func (e *Endpoint) sign(h http.Header, id string, at time.Time, body []byte) error {
	if e.Format == FormatMeta {
		mac := hmac.New(sha256.New, []byte(e.Secrets[0].Value))
		_, _ = mac.Write(body)
		h.Set(headerMetaSignature, "sha256="+hex.EncodeToString(mac.Sum(nil)))
		return nil
	}
	var signatures []string
	for _, s := range e.Secrets {
		w, err := standardwebhooks.NewWebhook(s.Value)
		if err != nil {
			return err
		}
		signature, err := w.Sign(id, at, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
