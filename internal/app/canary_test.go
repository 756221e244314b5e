package app

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/certtest"
	"github.com/coexstream/coexstream/internal/testing/long"
)

// The canaries: what must be seen nowhere but in the topics.
const (
	canaryInline   = "canary-secret-in-the-file-of-the-configuration"
	canaryFile     = "canary-secret-in-a-file-of-its-own"
	canaryNext     = "canary-secret-that-replaces-it"
	canaryToken    = "canary-verify-token"
	canaryAdmin    = "canary-token-of-the-admin-listener"
	canaryPassword = "canary-password-of-kafka"
	canaryText     = "canary-text-of-a-message"
	canaryName     = "canary-name-of-a-contact"
	canaryPhone    = "491519999000142"
)

var canaries = []string{canaryInline, canaryFile, canaryNext, canaryToken, canaryAdmin, canaryPassword, canaryText, canaryName, canaryPhone, "canary"}

const canaryBody = `{"object":"whatsapp_business_account","entry":[{"id":"100000000000001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001234","phone_number_id":"200000000000001"},"contacts":[{"profile":{"name":"` + canaryName + `"},"wa_id":"` + canaryPhone + `"}],"messages":[{"from":"` + canaryPhone + `","id":"wamid.CANARY1","timestamp":"1700000000","type":"text","text":{"body":"` + canaryText + `"}}]}}]}]}`

// catcher looks for canaries in every output.
type catcher struct {
	t     *testing.T
	seen  int
	forms []string
}

func newCatcher(t *testing.T) *catcher {
	c := &catcher{t: t}
	for _, s := range canaries {
		c.forms = append(c.forms, s, hex.EncodeToString([]byte(s)))
		for shift := range 3 { // Base64 writes three bytes at a time, so it has three forms
			form := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
			c.forms = append(c.forms, form[4:len(form)-4])
		}
	}
	return c
}

func (c *catcher) look(where, text string) {
	c.t.Helper()
	c.seen++
	for _, form := range c.forms {
		if len(form) < 5 {
			continue
		}
		if i := strings.Index(text, form); i >= 0 {
			c.t.Errorf("%s gives away %q: …%s…", where, form, text[max(0, i-100):min(len(text), i+100)])
			return
		}
	}
}

// ask sends a request, and looks at all of the answer.
func (c *catcher) ask(what, method, url, body string, headers ...string) int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	c.look("the answer to "+what, fmt.Sprint(resp.Header)+string(b))
	return resp.StatusCode
}

// abuse sends valid and invalid webhooks, and checks the codes.
func (c *catcher) abuse(url, secret string, taken int) {
	c.t.Helper()
	signed := func(body string) string { return signature(secret, body) }
	const header = "X-Hub-Signature-256"
	for _, tt := range []struct {
		what, method, query, body string
		headers                   []string
		code                      int
	}{
		{"a webhook", "POST", "", canaryBody, []string{header, signed(canaryBody)}, taken},
		{"broken JSON", "POST", "", canaryBody[:300], []string{header, signed(canaryBody[:300])}, taken},
		{"an unknown shape", "POST", "", `{"` + canaryText + `":"` + canaryText + `"}`, []string{header, signed(`{"` + canaryText + `":"` + canaryText + `"}`)}, taken},
		{"a history of nonsense", "POST", "", strings.Replace(canaryBody, `"messages","value"`, `"history","value"`, 1), []string{header, signed(strings.Replace(canaryBody, `"messages","value"`, `"history","value"`, 1))}, taken},
		{"a wrong signature", "POST", "", canaryBody, []string{header, signature("x", canaryBody)}, 401},
		{"a secret for a signature", "POST", "", canaryBody, []string{header, secret}, 401},
		{"no signature", "POST", "", canaryBody, nil, 401},
		{"a broken coding", "POST", "", canaryBody, []string{header, signed(canaryBody), "Content-Encoding", "gzip"}, 400},
		{"an unknown coding", "POST", "", canaryBody, []string{header, signed(canaryBody), "Content-Encoding", canaryText}, 415},
		{"an unknown type", "POST", "", canaryBody, []string{header, signed(canaryBody), "Content-Type", "text/" + canaryText}, taken},
		{"an unknown type, wrongly signed", "POST", "", canaryBody, []string{header, signature("x", canaryBody), "Content-Type", "text/" + canaryText}, 401},
		{"an odd part", "POST", "", strings.Replace(canaryBody, `"text":{`, `"text":{"`+canaryText+`":1,"`+canaryText+`":2,`, 1),
			[]string{header, signed(strings.Replace(canaryBody, `"text":{`, `"text":{"`+canaryText+`":1,"`+canaryText+`":2,`, 1))}, taken},
		{"a verification", "GET", "?hub.mode=subscribe&hub.challenge=42&hub.verify_token=" + canaryToken, "", nil, 200},
		{"a wrong verification", "GET", "?hub.mode=subscribe&hub.challenge=42&hub.verify_token=" + canaryToken + "x", "", nil, 403},
		{"another path", "POST", "/" + canaryText + "?t=" + canaryToken, canaryBody, nil, 404},
	} {
		headers := append([]string{"Content-Type", "application/json"}, tt.headers...)
		if code := c.ask(tt.what, tt.method, url+tt.query, tt.body, headers...); code != tt.code {
			c.t.Errorf("%s: %d, want %d", tt.what, code, tt.code)
		}
	}
	address := strings.TrimPrefix(url, "http://")
	address, _, _ = strings.Cut(address, "/")
	for _, garbage := range []string{
		canaryToken + " " + canaryText + "\r\n\r\n", "GET /x?t=" + canaryToken + " HTTP/9\r\n" + canaryText + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: " + strings.Repeat(canaryText, 1000) + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + canaryText,
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			c.t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, garbage)
		_ = conn.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(conn)
		_ = conn.Close()
		c.look("the answer to garbage", string(b))
	}
}

// operate looks at what an operator sees of a process.
func (c *catcher) operate(admin string, pid int) {
	c.t.Helper()
	for _, path := range []string{"/metrics", "/readyz", "/livez", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/goroutine?debug=1"} {
		c.ask(path, "GET", admin+path, "", "Authorization", "Bearer "+canaryAdmin)
		c.ask(path+" by a stranger", "GET", admin+path, "", "Authorization", "Bearer "+canaryAdmin+"x")
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil { // where there is a /proc
		c.look("the command line", string(cmdline))
	}
}

func canaryConfig(t *testing.T, dir, more string) string {
	t.Helper()
	secret := certtest.Write(t, dir, "app-secret", []byte(canaryFile+"\n"))
	token := certtest.Write(t, dir, "admin-token", []byte(canaryAdmin+"\n"))
	return certtest.Write(t, dir, "test.yaml", fmt.Appendf(nil, `
log: {level: debug, format: json}
admin: {token_file: %s}
reload_interval: 100ms
ingress:
  sources:
    - {name: meta, path: /hook, verify_token: %s, secrets: [{id: one, value: %s}, {id: two, value_file: %s}]}
%s`, token, canaryToken, canaryInline, secret, more))
}

// Everything that can fail does, at the most detailed log level. Readers of logs, metrics, answers, the configuration
// or the list of processes see no secret and no part of a message.
func TestNoSecretAndNothingOfAMessageIsTold(t *testing.T) {
	long.Test(t)
	t.Parallel()
	c, dir := newCatcher(t), t.TempDir()
	file := canaryConfig(t, dir, "")
	p := startUp(t, dir, "--config", file)
	url, admin := p.running().Ingress+"/hook", p.running().Admin
	c.abuse(url, canaryInline, 200)
	c.abuse(url, canaryFile, 200)
	if status, _ := get(t, admin+"/metrics"); status != http.StatusUnauthorized {
		t.Errorf("metrics without the token: %d", status)
	}

	// A secret changes, after a broken file, while the process runs.
	certtest.Write(t, dir, "app-secret", nil)
	p.until("tells that the secret cannot be loaded", func() bool { return strings.Contains(p.stderr.String(), "cannot be loaded") })
	certtest.Write(t, dir, "app-secret", []byte(canaryNext+"\n"))
	p.until("has loaded the new secret", func() bool { return strings.Contains(p.stderr.String(), "loaded a changed file") })
	if status := post(t, url, canaryNext, canaryBody); status != http.StatusOK {
		t.Errorf("with the new secret: %d", status)
	}
	if status := post(t, url, canaryFile, canaryBody); status != http.StatusUnauthorized {
		t.Errorf("with the former secret: %d", status)
	}
	p.messages(1) // the processor has seen them
	c.operate(admin, p.cmd.Process.Pid)

	for _, args := range [][]string{
		{"config", "print"}, {"config", "print", "--up"}, {"config", "validate"}, {"config", "keys"}, {"doctor"}, {"doctor", "--output", "json"},
		{"topics", "verify"}, {"topics", "describe"}, {"dlq", "list"}, {"check"},
		{"config", "print", "--set", "kafka.sasl.password=" + canaryPassword}, {"config", "print", "--set", "admin.token=" + canaryAdmin},
		{"config", "print", "--set", "ingress.sources=" + canaryInline}, {"config", "print", "--set", "ingress.sources=[{name: x, verify_token: " + canaryToken + "}]"},
	} {
		out, _ := p.run(append(args, "--config", file)...)
		c.look(strings.Join(args[:min(2, len(args))], " "), out)
	}
	for i, broken := range []string{
		canaryInline, "kafka: {sasl: {password: *" + canaryPassword + "}}", "kafka: {sasl: " + canaryPassword + "}", "admin: {token: " + canaryAdmin + "\n",
		"admin: {token: canary}", "ingress: {sources: [{name: meta, verify_token: [" + canaryToken + "]}]}", "ingress: {sources: " + canaryInline + "}",
	} {
		path := certtest.Write(t, dir, fmt.Sprintf("broken%d.yaml", i), []byte(broken))
		out, code := p.run("up", "--config", path)
		if code == 0 {
			t.Errorf("%q is taken for a configuration", broken)
		}
		c.look("the error of "+broken, out)
	}
	told, err := os.ReadFile(filepath.Join(dir, "data", runningName))
	if err != nil {
		t.Fatal(err)
	}
	c.look(runningName, string(told))
	p.signal(syscall.SIGTERM)
	c.look("the log", p.stderr.String())
	c.look("standard output", p.stdout.String())
	if !strings.Contains(p.stderr.String(), `"level":"DEBUG"`) || !strings.Contains(p.stderr.String(), `"msg":"refused"`) {
		t.Error("the log tells too little for this test to mean anything")
	}
}

// The same with a cluster that is not there and one that refuses.
func TestNoSecretIsToldWhenKafkaFails(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for kind, security := range map[string]string{"nobody listens": "", "no TLS is spoken": "  tls: {enabled: true}\n"} {
		c, dir := newCatcher(t), t.TempDir()
		broker := "127.0.0.1:1"
		if security != "" {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			broker = l.Addr().String()
			go func() {
				for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
					_, _ = io.WriteString(conn, "this is no Kafka\r\n")
					_ = conn.Close()
				}
			}()
		}
		file := canaryConfig(t, dir, "  listen: 127.0.0.1:0\n  ack_timeout: 500ms\n  spool: {enabled: false}\nkafka:\n  brokers: ["+broker+"]\n"+security+
			"  sasl: {mechanism: plain, username: u, password: "+canaryPassword+"}\n")
		p := &process{t: t, dir: dir, stdout: &syncBuffer{}, stderr: &syncBuffer{}, ended: make(chan struct{})}
		p.cmd = exec.Command(path, "ingress", "--config", file, "--admin-listen", "127.0.0.1:0")
		p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.stdout, p.stderr
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = p.cmd.Wait(); close(p.ended) }()
		t.Cleanup(func() { p.signal(syscall.SIGKILL) })
		p.until("takes webhooks", func() bool { return strings.Contains(p.stderr.String(), `"msg":"taking webhooks"`) })
		url := "http://" + printed(t, p.stderr.String(), `"msg":"taking webhooks","address":"([^"]+)"`) + "/hook"
		c.abuse(url, canaryFile, 503)
		p.until("tells that Kafka is away", func() bool { return bytes.Contains([]byte(p.stderr.String()), []byte("WARN")) })
		for _, args := range [][]string{{"doctor"}, {"topics", "verify"}, {"config", "print"}} {
			out, _ := p.run(append(args, "--config", file, "--set", "kafka.request_timeout=1s", "--set", "kafka.dial_timeout=1s")...)
			c.look(kind+": "+args[0], out)
		}
		c.operate("http://"+printed(t, p.stderr.String(), `"msg":"answering operators","address":"([^"]+)"`), p.cmd.Process.Pid)
		p.signal(syscall.SIGTERM)
		c.look(kind+": the log", p.stderr.String())
	}
}
