// Package tenant is a business that goes mad: signed webhooks that can be understood, and are more or longer than any other
// business's. It is none of a simulated world's businesses, so a judgement leaves its events out; those of all others are to
// be as they would be without it.
package tenant

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The ids of the business and of its number.
const (
	WABA   = "999000111222333"
	Number = "999000111222444"
)

// Tenant sends to one source.
type Tenant struct {
	url, secret string
	client      *http.Client
}

// New is a tenant whose requests may take as long as timeout.
func New(url, secret string, timeout time.Duration) *Tenant {
	return &Tenant{url, secret, &http.Client{Timeout: timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Close closes its connections.
func (t *Tenant) Close() { t.client.CloseIdleConnections() }

// Way is what a tenant sends: bodies of so many messages and contacts, on so many connections, each of which sends one
// every so often and waits for its answer.
type Way struct {
	Messages, Contacts int
	Connections        int
	Every              time.Duration
}

// Ways of being mad.
var (
	// Long are bodies of almost 2 MB with 10,000 messages.
	Long = Way{Messages: 10_000, Connections: 1, Every: 250 * time.Millisecond}
	// Many are small bodies, some thousand a second.
	Many = Way{Messages: 1, Contacts: 1, Connections: 8, Every: 3 * time.Millisecond}
	// Crowded are bodies with 1,000 contacts.
	Crowded = Way{Messages: 1000, Contacts: 1000, Connections: 1, Every: 50 * time.Millisecond}
)

// Flood sends in all of the ways until ctx ends, and returns how many webhooks were acknowledged. The others are
// ignored.
func (t *Tenant) Flood(ctx context.Context, ways ...Way) (acknowledged int64) {
	var next, acked atomic.Int64
	next.Store(time.Now().UnixNano()) // another flood has other messages
	var all sync.WaitGroup
	for _, w := range ways {
		for range w.Connections {
			all.Go(func() {
				turn := time.NewTicker(w.Every)
				defer turn.Stop()
				for {
					body := w.body(next.Add(int64(w.Messages)))
					if t.Send(ctx, body) {
						acked.Add(1)
					}
					select {
					case <-ctx.Done():
						return
					case <-turn.C:
					}
				}
			})
		}
	}
	all.Wait()
	return acked.Load()
}

// body is a webhook whose messages have the numbers before one.
func (w *Way) body(before int64) []byte {
	var b bytes.Buffer
	now := time.Now().Unix()
	fmt.Fprintf(&b, `{"object":"whatsapp_business_account","entry":[{"id":%q,"time":%d,"changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001","phone_number_id":%q}`,
		WABA, now, Number)
	list := func(name string, n int, of func(i int)) {
		for i := range n {
			if i == 0 {
				fmt.Fprintf(&b, `,%q:[`, name)
			} else {
				b.WriteByte(',')
			}
			of(i)
		}
		if n > 0 {
			b.WriteByte(']')
		}
	}
	list("contacts", w.Contacts, func(i int) {
		fmt.Fprintf(&b, `{"wa_id":"1555%07d","profile":{"name":"Person %d"}}`, i, i)
	})
	list("messages", w.Messages, func(i int) {
		fmt.Fprintf(&b, `{"from":"1555%07d","id":"wamid.mad%d","timestamp":"%d","type":"text","text":{"body":"again and again and again, and all at once, and then again and again and again"}}`,
			i%1000, before-int64(i), now)
	})
	b.WriteString(`}}]}]}`)
	return b.Bytes()
}

// Webhook is a webhook of a business with one message.
func Webhook(waba, number, wamid string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":%q,"changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550002","phone_number_id":%q},"messages":[{"from":"15550003","id":%q,"timestamp":"%d","type":"text","text":{"body":"now"}}]}}]}]}`,
		waba, number, wamid, time.Now().Unix())
}

// Send sends a signed webhook, once.
func (t *Tenant) Send(ctx context.Context, body []byte) (acknowledged bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(t.secret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := t.client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	return resp.StatusCode == http.StatusOK
}
