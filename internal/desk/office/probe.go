package office

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas/provider"
)

// Probe gathers the facts of a preflight that are not in the provider's API.
type Probe struct {
	AppID    string
	AppToken func() string // APP_ID|APP_SECRET, or empty
	// PublicURL is the URL that the provider calls, with the path of a source; empty: the way from outside is not tried.
	PublicURL string
	// Source returns the provider and a secret of the source; nil: there is none.
	Source func() (*provider.Provider, []byte)
	// Doctor returns the failed checks, and apart those that say nothing of a request; nil: not possible here.
	Doctor func(ctx context.Context) (fails, others []string, err error)
	// Spool returns the bytes in the fuller of the spool's folders, and their maximum; nil: not possible here.
	Spool func() (used, most int64, err error)
}

// notEncoded is the body of the webhook that Ingress sends. It claims to be gzip, and is not: an ingress verifies the signature
// over the bytes as received first, and then refuses the body. So a right signature is seen, and nothing enters the raw log.
var notEncoded = []byte(`{"object":"coexstream_preflight"}`)

// Ingress sends two webhooks through the public URL: one with a wrong signature and one with ours. Neither can become an event.
func (p *Probe) Ingress(ctx context.Context, client *http.Client) error {
	from, secret := p.Source()
	if from == nil {
		return errors.New("no source with a secret is configured for it")
	}
	wrong, _, err := p.send(ctx, client, from, []byte("a secret that nobody has"))
	if err != nil {
		return err
	}
	if wrong != http.StatusUnauthorized {
		return fmt.Errorf("a webhook with a wrong signature got HTTP %d, not 401: this is not our ingress, or a proxy changes requests", wrong)
	}
	right, text, err := p.send(ctx, client, from, secret)
	switch {
	case err != nil:
		return err
	case right == http.StatusUnauthorized:
		return errors.New("a webhook with our signature got HTTP 401: the ingress has another secret, or a proxy changes bodies")
	case right != http.StatusBadRequest || !strings.Contains(text, "content_encoding"):
		return fmt.Errorf("a webhook with our signature and a broken coding got HTTP %d, not 400 for its coding", right)
	}
	return nil
}

func (p *Probe) send(ctx context.Context, client *http.Client, from *provider.Provider, secret []byte) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.PublicURL, bytes.NewReader(notEncoded))
	if err != nil {
		return 0, "", errors.New("desk.public_url is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set(from.Signature.Header, sign(&from.Signature, secret, notEncoded, time.Now()))
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("the ingress cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return resp.StatusCode, string(b), err
}

// sign returns the value of a signature header.
func sign(s *provider.Signature, secret, body []byte, at time.Time) string {
	mac := hmac.New(sha256.New, secret)
	if s.Time != "" {
		stamp := fmt.Sprint(at.Unix())
		_, _ = mac.Write([]byte(stamp + "."))
		_, _ = mac.Write(body)
		return s.Time + "=" + stamp + "," + s.Digits + "=" + hex.EncodeToString(mac.Sum(nil))
	}
	_, _ = mac.Write(body)
	return s.Prefix + hex.EncodeToString(mac.Sum(nil))
}
