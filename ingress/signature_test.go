package ingress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/schemas/provider"
)

// YCloud's documentation of its webhooks: YCloud-Signature is t=<time>,s=<hex HMAC-SHA256 of time, dot and body>.
func TestStampedSignatureCoversItsTimeAndTheBody(t *testing.T) {
	body := []byte(`{"type":"whatsapp.smb.history"}`)
	h := hmac.New(sha256.New, []byte(testSecret))
	h.Write([]byte("1654084800."))
	h.Write(body)
	digits := hex.EncodeToString(h.Sum(nil))
	plain := sign(testSecret, body)
	known := newCredentials("", []Secret{{ID: "one", Value: oldSecret}, {ID: "two", Value: testSecret}})
	signature := provider.Named("ycloud").Signature
	for value, want := range map[string]string{
		"t=1654084800,s=" + digits:                     "taken",
		"s=" + digits + ",t=1654084800":                "taken",
		"t=1654084800, s=" + digits:                    "taken",
		"t=1654084800,s=" + strings.ToUpper(digits):    "taken",
		"t=1654084800,v=2,s=" + digits:                 "taken",
		"t=1654084801,s=" + digits:                     "mismatch",
		"t=1654084800,s=" + plain:                      "mismatch",
		"t=,s=" + digits:                               "malformed",
		"s=" + digits:                                  "malformed",
		"t=1654084800":                                 "malformed",
		"t=1654084800,s=" + digits[:62]:                "malformed",
		"t=1654084800,s=" + digits + ",s=" + digits:    "malformed",
		"t=1,t=1654084800,s=" + digits:                 "malformed",
		"t=-1,s=" + digits:                             "malformed",
		"t=" + strings.Repeat("1", 21) + ",s=" + plain: "malformed",
		"t=1654084800,s=" + digits + ",":               "malformed",
		"sha256=" + plain:                              "malformed",
		"":                                             "malformed",
	} {
		x := &exchange{}
		var ok bool
		x.stamp, ok = signature.Decode(&x.mac, []byte(value))
		got := "malformed"
		if ok {
			got = map[bool]string{true: "taken", false: "mismatch"}[known.matches(x, body)]
		}
		if got != want || got == "taken" && string(x.secretID) != "two" {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// A sender tries again for hours, and need not sign anew. A webhook that is refused for its time is lost.
func TestRetryOfAStampedWebhookIsTakenHoweverOldItsTimeIs(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	body := []byte(`{"type":"whatsapp.smb.history"}`)
	now := time.Now()
	for _, at := range []time.Time{now, now.Add(-6 * time.Hour), now.Add(-30 * 24 * time.Hour), now.Add(time.Hour), {}} {
		stamp := strconv.FormatInt(max(at.Unix(), 0), 10)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/ycloud", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("YCloud-Signature", "t="+stamp+",s="+sign(testSecret, append([]byte(stamp+"."), body...)))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("signed at %s: %s", stamp, res.Status)
		}
	}
}
