package generators

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/sinks/webhook"
)

// signedWebhook is a request of the webhook sink, and the secret of a receiver.
type signedWebhook struct {
	Body    []byte            `json:"body"`
	Headers map[string]string `json:"headers"`
	Secret  string            `json:"secret"`
	Valid   bool              `json:"valid"`
}

const (
	newSecret   = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc"
	oldSecret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	otherSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// signed sends a webhook with two secrets, and returns what receivers with the new, the old and another secret see, and with an altered body.
func signed(t *testing.T) []signedWebhook {
	t.Helper()
	var all []signedWebhook
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		headers := map[string]string{}
		for name := range r.Header {
			headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		for _, secret := range []string{newSecret, oldSecret, otherSecret} {
			all = append(all, signedWebhook{body, headers, secret, secret != otherSecret})
		}
		all = append(all, signedWebhook{append([]byte(" "), body...), headers, newSecret, false})
	}))
	defer s.Close()
	es, err := webhook.Parse([]byte("endpoints:\n  - {name: a, url: '" + s.URL + "', insecure_http: true, allow: [127.0.0.0/8], secrets: [{id: new, value: " + newSecret + "}, {id: old, value: " + oldSecret + "}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p := webhook.Ping(t.Context(), es[0], "test", time.Now); !p.OK {
		t.Fatalf("%+v", p)
	}
	return all
}

func verifyIn(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	b, err := json.Marshal(signed(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "webhooks.json"), b)
	return folder
}

func TestThePythonReferenceLibraryVerifiesOldAndNewSecret(t *testing.T) {
	gate(t)
	folder := verifyIn(t)
	python, env := python(t)
	write(t, filepath.Join(folder, "verify.py"), content(t, "verify.py"))
	readAll(t, folder, 2, env, python, "verify.py")
}

func TestTheJavaScriptReferenceLibraryVerifiesOldAndNewSecret(t *testing.T) {
	gate(t)
	folder := verifyIn(t)
	node := node(t, folder)
	write(t, filepath.Join(folder, "verify.mjs"), content(t, "verify.mjs"))
	readAll(t, folder, 2, nil, node, "verify.mjs")
}
