package tenant

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func TestAFloodIsOfSignedWebhooksThatCanBeUnderstood(t *testing.T) {
	const enough = 6
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	ids, bodies := map[string]bool{}, map[int]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a body that is cut is no JSON
		mac := hmac.New(sha256.New, []byte("s"))
		mac.Write(body)
		if got := r.Header.Get("X-Hub-Signature-256"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %q", got)
		}
		var b struct {
			Entry []struct {
				ID      string
				Changes []struct {
					Value struct {
						Contacts []any
						Messages []struct{ ID string }
					}
				}
			}
		}
		if err := json.Unmarshal(body, &b); err != nil || len(b.Entry) != 1 || b.Entry[0].ID != WABA {
			t.Errorf("body %.200s: %v", body, err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		v := b.Entry[0].Changes[0].Value
		for _, m := range v.Messages {
			if ids[m.ID] {
				t.Errorf("message %s twice", m.ID)
			}
			ids[m.ID] = true
		}
		if len(v.Messages) == 3 && len(v.Contacts) == 0 || len(v.Messages) == 1 && len(v.Contacts) == 2 {
			bodies[len(v.Messages)]++
		}
		if bodies[3] >= enough && bodies[1] >= enough {
			stop()
		}
	}))
	defer s.Close()
	tenant := New(s.URL, "s", 10*time.Second)
	defer tenant.Close()
	acknowledged := tenant.Flood(ctx, Way{Messages: 3, Connections: 2, Every: time.Millisecond}, Way{Messages: 1, Contacts: 2, Connections: 1, Every: time.Millisecond})
	if acknowledged < enough {
		t.Errorf("%d webhooks were acknowledged", acknowledged)
	}
}
