package ingress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/schemas"
)

func TestStatusTable(t *testing.T) {
	m := &rawtest.Memory{}
	cfg := testConfig()
	cfg.BodyBytesMax = 100 << 10
	s := start(t, cfg, m)
	hub := func(b []byte) []string { return []string{"X-Hub-Signature-256", "sha256=" + sign(testSecret, b)} }
	long := bytes.Repeat([]byte("x"), cfg.BodyBytesMax+1)
	zeros := gz(t, make([]byte, 2<<20))
	verify := "/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
	for _, c := range []struct {
		name, method, path string
		body               []byte
		headers            []string
		code               int
		kind               string
	}{
		{"webhook", "POST", "/meta", message, hub(message), 200, ""},
		{"webhook, type with charset", "POST", "/meta", message, append(hub(message), "Content-Type", "Application/JSON; charset=UTF-8"), 200, ""},
		{"webhook, structured suffix", "POST", "/meta", message, append(hub(message), "Content-Type", "application/cloudevents+json"), 200, ""},
		{"empty body, signed", "POST", "/meta", nil, hub(nil), 200, ""},
		{"verification", "GET", verify + testToken, nil, nil, 200, ""},
		{"corrupt coding", "POST", "/meta", message, append(hub(message), "Content-Encoding", "gzip"), 400, "content_encoding"},
		{"signature missing", "POST", "/meta", message, nil, 401, "signature"},
		{"signature of other bytes", "POST", "/meta", append(bytes.Clone(message), ' '), hub(message), 401, "signature"},
		{"signature too short", "POST", "/meta", message, []string{"X-Hub-Signature-256", "sha256=00"}, 401, "signature"},
		{"signature without prefix", "POST", "/meta", message, []string{"X-Hub-Signature-256", sign(testSecret, message)}, 401, "signature"},
		{"signature no hex", "POST", "/meta", message, []string{"X-Hub-Signature-256", "sha256=" + strings.Repeat("zz", 32)}, 401, "signature"},
		{"signature twice", "POST", "/meta", message, append(hub(message), hub(message)...), 401, "signature"},
		{"signature in the other provider's header", "POST", "/360dialog", message, hub(message), 401, "signature"},
		{"YCloud's signature", "POST", "/ycloud", message, []string{"YCloud-Signature", "t=1654084800,s=" + sign(testSecret, append([]byte("1654084800."), message...))}, 200, ""},
		{"YCloud's signature of another time", "POST", "/ycloud", message, []string{"YCloud-Signature", "t=1654084801,s=" + sign(testSecret, append([]byte("1654084800."), message...))}, 401, "signature"},
		{"YCloud's signature without a time", "POST", "/ycloud", message, []string{"YCloud-Signature", "s=" + sign(testSecret, message)}, 401, "signature"},
		{"wrong token", "GET", verify + "no", nil, nil, 403, "verification"},
		{"no token", "GET", "/meta", nil, nil, 403, "verification"},
		{"other mode", "GET", strings.Replace(verify, "subscribe", "unsubscribe", 1) + testToken, nil, nil, 403, "verification"},
		{"no challenge", "GET", "/meta?hub.mode=subscribe&hub.verify_token=" + testToken, nil, nil, 403, "verification"},
		{"source without a token", "GET", "/open?hub.mode=subscribe&hub.challenge=1&hub.verify_token=", nil, nil, 403, "verification"},
		{"unknown path", "POST", "/metas", message, hub(message), 404, "path"},
		{"unknown path below", "GET", "/meta/", nil, nil, 404, "path"},
		{"root", "GET", "/", nil, nil, 404, "path"},
		{"PUT", "PUT", "/meta", message, hub(message), 405, "method"},
		{"OPTIONS", "OPTIONS", "/meta", nil, nil, 405, "method"},
		{"DELETE", "DELETE", "/meta", nil, nil, 405, "method"},
		{"body too long", "POST", "/meta", long, hub(long), 413, "body"},
		{"bomb", "POST", "/meta", zeros, append(hub(zeros), "Content-Encoding", "gzip"), 413, "content_encoding"},
		{"signed, of another content type", "POST", "/meta", message, append(hub(message), "Content-Type", "text/plain"), 200, ""},
		{"signed, as a form", "POST", "/meta", message, append(hub(message), "Content-Type", "multipart/form-data; boundary=x"), 200, ""},
		{"signed, as a form of another kind", "POST", "/meta", message, append(hub(message), "Content-Type", "application/x-www-form-urlencoded"), 200, ""},
		{"another content type, wrongly signed", "POST", "/meta", append(bytes.Clone(message), ' '), append(hub(message), "Content-Type", "text/plain"), 401, "signature"},
		{"another content type, not signed", "POST", "/meta", message, []string{"Content-Type", "text/plain"}, 401, "signature"},
		{"another content type, where nothing is signed", "POST", "/open", message, []string{"Content-Type", "text/plain"}, 415, "content_type"},
		{"nearly JSON, where nothing is signed", "POST", "/open", message, []string{"Content-Type", "application/jsonp"}, 415, "content_type"},
		{"signed where nothing can be checked", "POST", "/open", message, append(hub(message), "Content-Type", "text/plain"), 415, "content_type"},
		{"coding", "POST", "/meta", message, append(hub(message), "Content-Encoding", "compress"), 415, "content_encoding"},
		{"expectation", "POST", "/meta", message, append(hub(message), "Expect", "miracles"), 417, "expectation"},
		{"headers too long", "POST", "/meta", message, []string{"X-Long", strings.Repeat("x", cfg.HeaderBytesMax)}, 431, "header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(m.Records())
			a := do(t, c.method, s.url+c.path, bytes.NewReader(c.body), c.headers...)
			if a.code != c.code {
				t.Fatalf("%d %s, want %d", a.code, a.body, c.code)
			}
			if id := a.header.Get("X-Request-Id"); len(id) != requestIDBytes {
				t.Errorf("X-Request-Id is %q", id)
			}
			durable := c.method == "POST" && c.code == 200
			if got := len(m.Records()) - before; got != map[bool]int{true: 1}[durable] {
				t.Errorf("%d records", got)
			}
			switch {
			case durable:
				if a.body != "{}\n" || a.header.Get("Content-Type") != "application/json" {
					t.Errorf("body %q, %s", a.body, a.header.Get("Content-Type"))
				}
			case c.code == 200:
				if a.body != "1158201444" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
					t.Errorf("challenge %q, %s", a.body, a.header.Get("Content-Type"))
				}
			default:
				checkRefusal(t, a, c.kind)
			}
			if got := a.header.Get("Allow"); (got != "") != (c.code == 405) {
				t.Errorf("Allow: %q", got)
			}
			if got := a.header.Get("Www-Authenticate"); (got != "") != (c.code == 401) {
				t.Errorf("WWW-Authenticate: %q", got)
			}
		})
	}
	if n := s.budget.reserved(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

// A body with a right signature and another content type is accepted and counted, and the record keeps the header. Without
// a signature to check it is refused.
func TestSignedBodyOfAnotherContentTypeIsTakenAndCounted(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	signature := "sha256=" + sign(testSecret, message)
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "multipart/form-data; boundary=x"} {
		if a := do(t, "POST", s.url+"/number", bytes.NewReader(message), "X-360dialog-Signature", signature, "Content-Type", kind); a.code != 200 {
			t.Fatalf("%s: %d %s", kind, a.code, a.body)
		}
		taken := m.Records()
		r := taken[len(taken)-1]
		if told, _ := rawtest.Header(&r, schemas.HeaderContentType); !bytes.Equal(r.Value, message) || told != kind {
			t.Errorf("%s: the record has %q, %q", kind, r.Value, told)
		}
		if a := do(t, "POST", s.url+"/number", bytes.NewReader(message), "Content-Type", kind); a.code != 415 {
			t.Errorf("%s, not signed: %d", kind, a.code)
		}
	}
	if a := do(t, "POST", s.url+"/number", bytes.NewReader(message), "X-360dialog-Signature", signature); a.code != 200 {
		t.Fatalf("%d %s", a.code, a.body)
	}
	if n := rawtest.Counter(t, s.reg, "coexstream_ingress_other_content_types_total", "source", "number"); n != 4 {
		t.Errorf("%v of another type are counted, want 4", n)
	}
}

// checkRefusal checks the form of an error's answer, and that it contains no secret.
func checkRefusal(t *testing.T, a answer, kind string) {
	t.Helper()
	var e struct{ Error, Detail string }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error != kind || e.Detail == "" {
		t.Errorf("body %q, want the error %s and a detail", a.body, kind)
	}
	if strings.Count(a.body, "\n") != 1 || !strings.HasSuffix(a.body, "\n") {
		t.Errorf("body %q is not one line", a.body)
	}
	for _, secret := range []string{testSecret, oldSecret, testToken, "wamid", sign(testSecret, message)} {
		if strings.Contains(a.body, secret) {
			t.Errorf("body %q gives away %q", a.body, secret)
		}
	}
	retry := a.header.Get("Retry-After")
	if (retry != "") != (a.code == 429 || a.code == 503) {
		t.Errorf("Retry-After: %q with %d", retry, a.code)
	}
}

func TestEveryFailureToPublishIsA503ThatSaysWhenToComeAgain(t *testing.T) {
	for err, kind := range map[error]string{
		raw.ErrBusy: "busy", raw.ErrClosed: "closing", raw.ErrUnavailable: "unavailable", raw.ErrUnknown: "unacknowledged",
		raw.ErrRejected: "rejected", errors.New("else"): "unavailable",
	} {
		m := &rawtest.Memory{Refuse: func(*raw.Record, time.Time) error { return fmt.Errorf("wrapped: %w", err) }}
		s := start(t, testConfig(), m)
		a := do(t, "POST", s.url+"/number", bytes.NewReader(message))
		if a.code != 503 || a.header.Get("Retry-After") != "5" {
			t.Errorf("%v: %d, Retry-After %q", err, a.code, a.header.Get("Retry-After"))
		}
		checkRefusal(t, a, kind)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	for path, code := range map[string]int{
		"/meta?hub.mode=subscribe&hub.challenge=12345&hub.verify_token=" + testToken: 200,
		"/meta": 403, "/nowhere": 404,
	} {
		a := do(t, "HEAD", s.url+path, nil)
		if a.code != code || a.body != "" {
			t.Errorf("HEAD %s: %d %q, want %d", path, a.code, a.body, code)
		}
		if g := do(t, "GET", s.url+path, nil); g.header.Get("Content-Length") != a.header.Get("Content-Length") {
			t.Errorf("HEAD %s: Content-Length %s, GET has %s", path, a.header.Get("Content-Length"), g.header.Get("Content-Length"))
		}
	}
}

func TestEverySecretOfASourceIsTriedAndTheMatchingOneRecorded(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	for secret, id := range map[string]string{testSecret: "new", oldSecret: "old"} {
		if a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(secret, message)); a.code != 200 {
			t.Fatalf("%s: %d", id, a.code)
		}
		rs := m.Records()
		if got, _ := rawtest.Header(&rs[len(rs)-1], schemas.HeaderSecretID); got != id {
			t.Errorf("secret id %q, want %q", got, id)
		}
	}
	if a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign("retired", message)); a.code != 401 {
		t.Errorf("retired secret: %d", a.code)
	}
}

func TestPartnerSignatureMayHaveThePrefix(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	for _, prefix := range []string{"", "sha256="} {
		if a := do(t, "POST", s.url+"/360dialog", bytes.NewReader(message), "x-360dialog-signature", prefix+sign(testSecret, message)); a.code != 200 {
			t.Errorf("%q: %d", prefix, a.code)
		}
	}
	rs := m.Records()
	if got, _ := rawtest.Header(&rs[0], schemas.HeaderSignatureHeader); got != "x-360dialog-signature" {
		t.Errorf("signature header %q", got)
	}
}

func TestOptionalSignatureIsCheckedWhenItIsThere(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	if a := do(t, "POST", s.url+"/number", bytes.NewReader(message)); a.code != 200 {
		t.Errorf("unsigned: %d", a.code)
	}
	if a := do(t, "POST", s.url+"/number", bytes.NewReader(message), "x-360dialog-signature", sign("other", message)); a.code != 401 {
		t.Errorf("wrong signature: %d", a.code)
	}
	// A source without secrets cannot check a signature, but keeps it in the record.
	if a := do(t, "POST", s.url+"/open", bytes.NewReader(message), "X-Hub-Signature-256", "sha256=whatever"); a.code != 200 {
		t.Errorf("signature without secrets: %d", a.code)
	}
	rs := m.Records()
	if len(rs) != 2 {
		t.Fatalf("%d records", len(rs))
	}
	if _, ok := rawtest.Header(&rs[0], schemas.HeaderSignature); ok {
		t.Error("an unsigned record has a signature")
	}
	if got, _ := rawtest.Header(&rs[1], schemas.HeaderSignature); got != "sha256=whatever" {
		t.Errorf("signature %q", got)
	}
	if _, ok := rawtest.Header(&rs[1], schemas.HeaderSecretID); ok {
		t.Error("an unverified record names a secret")
	}
}

func TestRecordCarriesWhatThePipelineNeeds(t *testing.T) {
	m := &rawtest.Memory{}
	s := start(t, testConfig(), m)
	before := time.Now().UnixMilli()
	parent := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(testSecret, message),
		"Content-Type", "application/json; charset=utf-8", "Traceparent", parent, "Tracestate", "congo=t61rcWkgMzE")
	if a.code != 200 {
		t.Fatal(a.code)
	}
	r := m.Records()[0]
	if r.Topic != schemas.TopicRawLive || string(r.Key) != "102290129340398" || !bytes.Equal(r.Value, message) {
		t.Errorf("%s, key %q, value %q", r.Topic, r.Key, r.Value)
	}
	if ms := r.Time.UnixMilli(); ms < before || ms > time.Now().UnixMilli() {
		t.Errorf("time %d", ms)
	}
	want := map[string]string{
		schemas.HeaderSource: "meta", schemas.HeaderProvider: "meta", schemas.HeaderRequestID: a.header.Get("X-Request-Id"),
		schemas.HeaderReceivedAt: fmt.Sprint(r.Time.UnixMilli()), schemas.HeaderContentType: "application/json; charset=utf-8",
		schemas.HeaderSignature: "sha256=" + sign(testSecret, message), schemas.HeaderSignatureHeader: "x-hub-signature-256",
		schemas.HeaderSecretID: "new", schemas.HeaderTraceParent: parent, schemas.HeaderTraceState: "congo=t61rcWkgMzE",
	}
	if len(r.Headers) != len(want) {
		t.Errorf("%d headers, want %d", len(r.Headers), len(want))
	}
	for k, v := range want {
		if got, _ := rawtest.Header(&r, k); got != v {
			t.Errorf("%s: %q, want %q", k, got, v)
		}
	}
}

func TestBrokenTraceContextIsNotPassedOn(t *testing.T) {
	good := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for parent, want := range map[string]bool{
		good: true, "01" + good[2:] + "-more": true,
		"": false, good[:54]: false, good + "-more": false, "ff" + good[2:]: false, strings.ToUpper(good): false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"01" + good[2:] + "more":                                  false,
		"01" + good[2:] + "-" + strings.Repeat("x", 100):          false,
	} {
		if got := validTraceParent([]byte(parent)); got != want {
			t.Errorf("validTraceParent(%q) = %v", parent, got)
		}
	}
	for state, want := range map[string]bool{"a=b": true, "": false, strings.Repeat("x", 513): false, "a=\x00": false, "a=é": false} {
		if got := validTraceState([]byte(state)); got != want {
			t.Errorf("validTraceState(%q) = %v", state, got)
		}
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	var out syncBuffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := testConfig()
	s := startWithLog(t, cfg, &rawtest.Memory{Refuse: func(*raw.Record, time.Time) error { return raw.ErrRejected }}, log)
	signature := sign(testSecret, message)
	do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+signature)
	do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+signature[:10])
	do(t, "GET", s.url+"/meta?hub.verify_token=wrong"+testToken, nil)
	sendRaw(t, s.addr, "GARBAGE "+testToken+"\r\n\r\n")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "request_id") || !strings.Contains(out.String(), "http: ") {
		t.Fatalf("nothing was logged: %s", out.String())
	}
	for _, secret := range []string{testSecret, testToken, signature[:10], "wamid", "102290129340398"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log gives away %q:\n%s", secret, out.String())
		}
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg.Sources)} {
		if strings.Contains(shown, testSecret) || strings.Contains(shown, testToken) {
			t.Errorf("the configuration gives away a secret: %s", shown)
		}
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
