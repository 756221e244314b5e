package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

func TestEverySecretSignsACloudEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		rec := log.add(schemas.TopicMessages, message(1, 0, 0))
		r := newRun(t, log, to, endpoints(t, "start: beginning\nsecrets: [{id: new, value: "+anotherSecret+"}, {id: old, value: "+someSecret+"}]"))
		time.Sleep(time.Second)
		r.stop()
		bodies, heads := to.messages()
		if len(bodies) != 1 {
			t.Fatalf("%d requests", len(bodies))
		}
		for secret, want := range map[string]bool{someSecret: true, anotherSecret: true, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA": false} {
			v, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(bodies[0], heads[0]); (err == nil) != want {
				t.Errorf("%s: %v", secret, err)
			}
		}
		var e struct {
			SpecVersion, ID, Source, Type, Subject, DataContentType, PartitionKey, CoexOrigin, Time string
			Data                                                                                    json.RawMessage
		}
		if err := json.Unmarshal(bodies[0], &e); err != nil {
			t.Fatal(err)
		}
		if e.SpecVersion != "1.0" || e.ID != "1-0" || e.Source != "/whatsapp/waba1/number1" || e.Type != schemas.TypeMessage || e.Subject != "wamid.1.0" || e.DataContentType != "application/json" ||
			e.PartitionKey != string(rec.Key) || e.CoexOrigin != "raw.live/0/1#0.0" || e.Time != "2026-03-01T12:00:00Z" || string(e.Data) != string(rec.Value) {
			t.Errorf("%s", bodies[0])
		}
		if h := heads[0]; h.Get("webhook-id") != "1-0" || h.Get("content-type") != "application/cloudevents+json; charset=utf-8" || h.Get("user-agent") != "coexstream" {
			t.Errorf("%v", h)
		}
	})
}

func TestMetasWebhooksAreSignedAndStayBelowTheirLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), newReceiver()
		long := strings.Repeat("x", 9000)
		for n := range 40 {
			log.add(schemas.TopicMessages, message(1, n, 0, func(m *schemas.Message, _ *kgo.Record) {
				if n%10 == 7 {
					m.Original = json.RawMessage(`{"id":"` + m.WAMID + `","text":{"body":"` + long + `"}}`)
				}
			}))
		}
		r := newRun(t, log, to, endpoints(t, "start: beginning\nformat: meta\nevents_max: 8\nbody_bytes_max: 5000"))
		time.Sleep(10 * time.Second)
		r.stop()
		var wamids []string
		most := 0
		bodies, heads := to.messages()
		for i, body := range bodies {
			mac := hmac.New(sha256.New, []byte(metaSecret))
			_, _ = mac.Write(body)
			if got := heads[i].Get("X-Hub-Signature-256"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
				t.Errorf("signature %s", got)
			}
			var w schemas.Webhook
			if err := json.Unmarshal(body, &w); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, e := range w.Entry {
				for _, c := range e.Changes {
					for _, m := range c.Value.Messages {
						n++
						wamids = append(wamids, m.ID)
					}
				}
			}
			if most = max(most, n); n > 1 && len(body) > 5000 || n > 8 {
				t.Errorf("a body of %d events has %d bytes", n, len(body))
			}
		}
		if most < 3 || len(wamids) != 40 || wamids[0] != "wamid.1.0" || wamids[39] != "wamid.1.39" {
			t.Errorf("%d events in a request, %v", most, wamids)
		}
	})
}
