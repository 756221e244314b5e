package graph

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas/provider"
)

// TestTheRequestIsTheDocumentedOne holds each byte that matters against the pages of the providers, not against the fake.
//   - Meta, "Synchronizing WhatsApp Business app data", examples of steps 1 and 2. Its access token is a bearer token.
//   - 360dialog, API reference, Coexistence: POST /synchronization with D360-API-KEY, and an object as optional body. Its integration
//     page says that bodies are Meta's, and that a phone number id must not be in the request.
func TestTheRequestIsTheDocumentedOne(t *testing.T) {
	for _, c := range []struct {
		provider, address, path, header, value string
	}{
		{"meta", "https://graph.facebook.com/v24.0", "/106540352242922/smb_app_data", "Authorization", "Bearer " + testToken},
		{"360dialog", "https://waba-v2.360dialog.io", "/synchronization", "D360-API-KEY", testToken},
	} {
		p := provider.Named(c.provider)
		if p.Sync.Address != c.address {
			t.Errorf("%s: the address is %s, want %s", c.provider, p.Sync.Address, c.address)
		}
		for _, syncType := range []string{p.Sync.Contacts, p.Sync.History} {
			var got *http.Request
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				_, _ = io.WriteString(w, `{"messaging_product":"whatsapp","request_id":"r"}`)
			}))
			client, err := New(Config{Provider: p, Address: server.URL, Timeout: 30 * time.Second, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			o := client.Sync(t.Context(), token(t), "106540352242922", syncType)
			server.Close()
			if o.Kind != Accepted || o.RequestID != "r" {
				t.Fatalf("%s: %+v", c.provider, o)
			}
			if got.Method != http.MethodPost || got.URL.RequestURI() != c.path || got.Header.Get(c.header) != c.value || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %s %s %v", c.provider, got.Method, got.URL, got.Header)
			}
			for _, other := range []string{"Authorization", "D360-API-KEY"} {
				if other != c.header && got.Header.Get(other) != "" {
					t.Errorf("%s: the credential is in %s, too", c.provider, other)
				}
			}
			var object map[string]any
			if err := json.Unmarshal(body, &object); err != nil || !maps.Equal(object, map[string]any{"messaging_product": "whatsapp", "sync_type": syncType}) {
				t.Errorf("%s: body %s, %v", c.provider, body, err)
			}
		}
		if p.Sync.Contacts != "smb_app_state_sync" || p.Sync.History != "history" {
			t.Errorf("%s: sync types %q and %q", c.provider, p.Sync.Contacts, p.Sync.History)
		}
	}
}
