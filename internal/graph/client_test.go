package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas/provider"
)

const testToken = "EAAcanaryOfAWABAzyxwvu"

func newClient(t *testing.T, p, address string) *Client {
	t.Helper()
	c, err := New(Config{Provider: provider.Named(p), Address: address, Timeout: 5 * time.Second, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func token(t *testing.T) Token {
	t.Helper()
	tok, ok := NewToken(testToken + "\n")
	if !ok {
		t.Fatal("no token")
	}
	return tok
}

func TestEveryDocumentedErrorHasItsKind(t *testing.T) {
	for _, c := range []struct {
		reply *fakegraph.Reply
		want  Kind
		wait  time.Duration
	}{
		{fakegraph.Failure(400, 2593107, 0, "Request limit exceeded"), AlreadyRequested, 0},
		{fakegraph.Failure(400, 100, 2593107, "Request limit exceeded"), AlreadyRequested, 0},
		{fakegraph.Failure(400, 2593108, 0, "Outside of the allowed window"), WindowMissed, 0},
		{fakegraph.Failure(400, 100, 2593108, "Outside of the allowed window"), WindowMissed, 0},
		{&fakegraph.Reply{Status: 400, Body: `{"error":{"code":4,"message":"x"}}`, Header: map[string]string{"Retry-After": "17"}}, Throttled, 17 * time.Second},
		{&fakegraph.Reply{Status: 400, Body: `{"error":{"code":80007,"message":"x"}}`, Header: map[string]string{"X-Business-Use-Case-Usage": `{"1":[{"estimated_time_to_regain_access":9}]}`}}, Throttled, 9 * time.Minute},
		{fakegraph.Failure(429, 130429, 0, "Rate limit hit"), Throttled, 0},
		{&fakegraph.Reply{Status: 429, Body: "slow down", Header: map[string]string{"Retry-After": "99999999999999"}}, Throttled, retryAfterMax},
		{fakegraph.Failure(401, 190, 463, "Session has expired"), Denied, 0},
		{fakegraph.Failure(403, 10, 0, "Permission denied"), Denied, 0},
		{fakegraph.Failure(403, 200, 0, "Permissions error"), Denied, 0},
		{fakegraph.Failure(403, 299, 0, "Permissions error"), Denied, 0},
		{fakegraph.Failure(400, 300, 0, "beyond the permissions"), Refused, 0},
		{fakegraph.Failure(400, 100, 33, "does not exist"), Denied, 0},
		{fakegraph.Failure(400, 100, 0, "Invalid parameter"), Refused, 0},
		{fakegraph.Failure(400, 131000, 0, "Something went wrong"), Refused, 0},
		{fakegraph.Failure(500, 131000, 0, "Something went wrong"), Unknown, 0},
		{fakegraph.Failure(503, 4, 0, "Application request limit reached"), Unknown, 0},
		{fakegraph.Failure(500, 2593107, 0, "Request limit exceeded"), Unknown, 0},
		{fakegraph.Failure(400, 2, 0, "Service temporarily unavailable"), Unknown, 0},
		{fakegraph.Failure(408, 0, 0, "timeout"), Unknown, 0},
		{&fakegraph.Reply{Status: 404, Body: "<html>not found</html>"}, Refused, 0},
		{&fakegraph.Reply{Status: 302, Body: "{}", Header: map[string]string{"Location": "https://example.com/"}}, Refused, 0},
		{&fakegraph.Reply{Status: 200, Body: `{"messaging_product":"whatsapp"}`}, Unknown, 0},
		{&fakegraph.Reply{Status: 200, Body: `{"request_id":"x"`}, Unknown, 0},
		{&fakegraph.Reply{Status: 200, Body: `{"error":{"code":2593107,"message":"x"},"request_id":"x"}`}, Unknown, 0},
		{&fakegraph.Reply{Status: 200, Body: `{"request_id":12345678901234567890}`}, Accepted, 0},
		{&fakegraph.Reply{Status: 200, Body: `{"request_id":"abc"}`}, Accepted, 0},
	} {
		t.Run(fmt.Sprint(c.reply.Status, c.reply.Body), func(t *testing.T) {
			f := fakegraph.New()
			defer f.Close()
			f.Next("77", "history", c.reply)
			o := newClient(t, "meta", f.URL).Sync(t.Context(), token(t), "77", "history")
			if o.Kind != c.want || o.RetryAfter != c.wait {
				t.Errorf("%v %v (%s), want %v %v", o.Kind, o.RetryAfter, o.Message, c.want, c.wait)
			}
			if o.Kind != Accepted && o.Message == "" {
				t.Error("no message")
			}
			if n := len(f.Posts()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestAnAnswerCutAtAnyByteIsUnknownAndNothingIsRepeated(t *testing.T) {
	ok := fakegraph.Reply{Status: 200, Body: `{"messaging_product":"whatsapp","request_id":"r1"}`, Accepts: true}
	whole := len(fakegraph.Bytes(&ok))
	for cut := 0; cut <= whole; cut++ {
		f := fakegraph.New()
		reply := ok
		reply.Cut, reply.CutNow = cut, cut == 0
		f.Next("77", "history", &reply)
		o := newClient(t, "meta", f.URL).Sync(t.Context(), token(t), "77", "history")
		if want := map[bool]Kind{true: Accepted, false: Unknown}[cut == whole]; o.Kind != want {
			t.Errorf("cut at %d of %d: %v (%s), want %v", cut, whole, o.Kind, o.Message, want)
		}
		if n := len(f.Posts()); n != 1 {
			t.Errorf("cut at %d: %d requests", cut, n)
		}
		f.Close()
	}
}

func TestAServerThatClosesBeforeItReadsLeavesTheOutcomeUnknown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	accepted := make(chan int, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- 1
			_ = conn.Close()
		}
	}()
	o := newClient(t, "meta", "http://"+l.Addr().String()).Sync(t.Context(), token(t), "77", "history")
	if o.Kind != Unknown || len(accepted) != 1 {
		t.Errorf("%v (%s) after %d connections", o.Kind, o.Message, len(accepted))
	}
}

func TestARefusedDialAndAFailedHandshakeAreNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	_ = l.Close()
	secure := fakegraph.Unstarted()
	secure.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug)
	secure.StartTLS() // its authority is not trusted
	defer secure.Close()
	for _, address := range []string{gone, secure.URL, "https://nowhere.invalid"} {
		if o := newClient(t, "meta", address).Sync(t.Context(), token(t), "77", "history"); o.Kind != NotSent {
			t.Errorf("%s: %v (%s)", address, o.Kind, o.Message)
		}
	}
	if n := len(secure.Posts()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if o := newClient(t, "meta", gone).Sync(ended, token(t), "77", "history"); o.Kind != NotSent {
		t.Errorf("cancelled: %v", o.Kind)
	}
}

func TestNoAnswerInTimeIsUnknown(t *testing.T) {
	f := fakegraph.New()
	defer f.Close()
	f.Next("77", "history", &fakegraph.Reply{Delay: time.Hour})
	c, err := New(Config{Provider: provider.Default(), Address: f.URL, Timeout: 100 * time.Millisecond, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if o := c.Sync(t.Context(), token(t), "77", "history"); o.Kind != Unknown {
		t.Errorf("%v (%s)", o.Kind, o.Message)
	}
}

func TestTheKeyOfAPartnerIsSentInItsHeader(t *testing.T) {
	f := fakegraph.New()
	defer f.Close()
	f.SetTokens(testToken)
	p := provider.Syncing()[1]
	c := newClient(t, p.Name, f.URL)
	if o := c.Sync(t.Context(), token(t), "77", p.Sync.Contacts); o.Kind != Accepted {
		t.Fatalf("%v (%s)", o.Kind, o.Message)
	}
	if got := f.Paths(); len(got) != 1 || got[0] != "POST /synchronization" {
		t.Errorf("paths %q", got)
	}
	// Its answer is not documented: a success without an id is a success.
	f.Next("", p.Sync.History, &fakegraph.Reply{Status: 200, Body: `{"success":true}`, Accepts: true})
	if o := c.Sync(t.Context(), token(t), "77", p.Sync.History); o.Kind != Accepted {
		t.Errorf("%v (%s)", o.Kind, o.Message)
	}
}

func TestNoOutcomeQuotesTheToken(t *testing.T) {
	f := fakegraph.New()
	defer f.Close()
	f.SetTokens("another")
	tok := token(t)
	o := newClient(t, "meta", f.URL).Sync(t.Context(), tok, "77", "history")
	if o.Kind != Denied || strings.Contains(fmt.Sprintf("%+v", o), testToken[:8]) {
		t.Errorf("%+v", o)
	}
	_, err := newClient(t, "meta", f.URL).Number(t.Context(), tok, "77")
	if err == nil || strings.Contains(err.Error(), testToken[:8]) {
		t.Errorf("%v", err)
	}
	asJSON, _ := json.Marshal(map[string]any{"t": tok})
	texts := []string{fmt.Sprint(tok), fmt.Sprintf("%v %+v %#v %s %q %x %d", tok, tok, tok, tok, tok, tok, tok), string(asJSON), fmt.Sprintf("%#v", struct{ T Token }{tok})}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok, "in", struct{ T Token }{tok})
	for _, text := range append(texts, log.String()) {
		if strings.Contains(text, testToken[:8]) || strings.Contains(text, fmt.Sprintf("%x", testToken[:8])) {
			t.Errorf("the token in %s", text)
		}
	}
}

func TestAnAddressThatWouldSendATokenInPlainTextIsRefused(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://graph.facebook.com/v24.0": true, "http://127.0.0.1:1": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://graph.facebook.com": false, "http://10.0.0.1": false, "ftp://127.0.0.1": false, "https://user:pass@host": false,
		"https://host?x=1": false, "graph.facebook.com": false, "http://localhost.example.com": false,
	} {
		if err := CheckAddress(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestReadsReturnTheFieldsOfAPreflight(t *testing.T) {
	f := fakegraph.New()
	defer f.Close()
	f.Add(fakegraph.Number{ID: "77", WABA: "9", Display: "+49 1", OnBizApp: true}, fakegraph.Number{ID: "78", WABA: "9"})
	c, tok := newClient(t, "meta", f.URL), token(t)
	n, err := c.Number(t.Context(), tok, "77")
	if err != nil || n.IsOnBizApp == nil || !*n.IsOnBizApp || n.PlatformType != "CLOUD_API" || n.Display != "+49 1" {
		t.Errorf("%+v %v", n, err)
	}
	numbers, err := c.Numbers(t.Context(), tok, "9")
	if err != nil || len(numbers) != 2 || numbers[1].ID != "78" || *numbers[1].IsOnBizApp {
		t.Errorf("%+v %v", numbers, err)
	}
	apps, err := c.SubscribedApps(t.Context(), tok, "9")
	if err != nil || len(apps) != 1 || apps[0].ID != "555" {
		t.Errorf("%+v %v", apps, err)
	}
	subs, err := c.Subscriptions(t.Context(), tok, "555")
	if err != nil || len(subs) != 1 || !subs[0].Active || len(subs[0].Fields) != len(fakegraph.Fields) {
		t.Errorf("%+v %v", subs, err)
	}
	for _, id := range []string{"", "me/accounts", "../x", "7?x", strings.Repeat("7", 33)} {
		if _, err := c.Number(t.Context(), tok, id); err == nil {
			t.Errorf("id %q was sent", id)
		}
	}
	for _, p := range f.Paths() {
		if strings.Contains(p, "register") || !strings.HasPrefix(p, http.MethodGet) {
			t.Errorf("sent %s", p)
		}
	}
}

// TestAReadWithoutAnAnswerIsNoFaultOfTheToken reads from an address where nobody listens, and from a provider that refuses.
func TestAReadWithoutAnAnswerIsNoFaultOfTheToken(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	address := closed.URL
	closed.Close()
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	for address, want := range map[string]bool{address: true, refuses.URL: false} {
		_, err := newClient(t, "meta", address).Number(t.Context(), token(t), "77")
		var read *Error
		if !errors.As(err, &read) || read.Unreachable() != want {
			t.Errorf("%v: unreachable %v, want %v", err, read != nil && read.Unreachable(), want)
		}
	}
}
