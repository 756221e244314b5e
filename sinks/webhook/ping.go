package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// TypePing is the ce_type of a test request.
const TypePing = "com.coexstream.webhook.ping.v1"

// Pinged is the outcome of a test request.
type Pinged struct {
	Sent   string // the kind of request
	Answer queue.Answer
	OK     bool
}

// Ping sends one test request.
func Ping(ctx context.Context, e *Endpoint, name string, now func() time.Time) Pinged {
	c := newClient(e, name, now, nil)
	defer c.idle()
	id := rand.Text()
	switch {
	case e.Format == FormatCloudEvents:
		at := now().UTC().Format(time.RFC3339)
		body := fmt.Sprintf(`{"specversion":"1.0","id":"%s","source":"/coexstream/webhook","type":"%s","time":"%s"}`, id, TypePing, at)
		a := c.post(ctx, e, id, []byte(body), 0)
		return Pinged{"CloudEvent " + TypePing, a, queue.Judge(a) == queue.Delivered}
	case e.VerifyToken == "":
		a := c.post(ctx, e, id, []byte(`{"object":"`+schemas.Object+`","entry":[]}`), 0)
		return Pinged{"webhook without entries", a, queue.Judge(a) == queue.Delivered}
	}
	return c.verify(ctx, e, id)
}

// verify sends Meta's GET verification: the receiver has to return the challenge.
func (c *client) verify(ctx context.Context, e *Endpoint, challenge string) Pinged {
	p := Pinged{Sent: "verification"}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Timeout))
	defer cancel()
	u, err := url.Parse(e.URL)
	if err != nil {
		p.Answer.Why = "the URL cannot be read"
		return p
	}
	q := u.Query()
	q.Set("hub.mode", "subscribe")
	q.Set("hub.verify_token", e.VerifyToken)
	q.Set("hub.challenge", challenge)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		p.Answer.Why = "the request cannot be made"
		return p
	}
	req.Header.Set("User-Agent", c.name)
	returned := ""
	p.Answer = c.do(req, c.now(), func(b []byte) { returned = strings.TrimSpace(string(b)) })
	p.OK = queue.Judge(p.Answer) == queue.Delivered && returned == challenge
	if !p.OK && queue.Judge(p.Answer) == queue.Delivered {
		p.Answer.Why += ", but not the challenge"
	}
	return p
}
