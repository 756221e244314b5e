package admin

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/certtest"
)

// guarded serves with access, and a part that is not ready.
func guarded(t *testing.T, access Access) string {
	t.Helper()
	health := &Health{}
	health.Add("publisher", func() error { return errors.New("broker kafka-1.internal:9092 is gone") })
	s, err := Listen(t.Context(), "127.0.0.1:0", 16, access, quietDeps(health))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	t.Cleanup(func() { <-ended })
	return s.Addr()
}

func ask(t *testing.T, client *http.Client, url, authorization string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

var closedPaths = []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/heap"}

func TestTokenOpensMetricsAndProfilesAndNothingElseDoes(t *testing.T) {
	token := "first-token-of-the-admin"
	url := "http://" + guarded(t, Access{Token: func() string { return token }})
	for _, path := range closedPaths {
		for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + token, token, "Bearer " + token[:len(token)-1], "Bearer " + token + "x"} {
			if code, body := ask(t, http.DefaultClient, url+path, wrong); code != http.StatusUnauthorized || strings.Contains(body, token) {
				t.Errorf("%s with %q: %d %s", path, wrong, code, body)
			}
		}
		for _, right := range []string{"Bearer " + token, "bearer " + token} {
			if code, body := ask(t, http.DefaultClient, url+path, right); code != http.StatusOK {
				t.Errorf("%s with the token: %d %s", path, code, body)
			}
		}
	}
	former := token
	token = "second-token-of-the-admin"
	if code, _ := ask(t, http.DefaultClient, url+"/metrics", "Bearer "+former); code != http.StatusUnauthorized {
		t.Errorf("the former token: %d", code)
	}
	if code, _ := ask(t, http.DefaultClient, url+"/metrics", "Bearer "+token); code != http.StatusOK {
		t.Errorf("the new token: %d", code)
	}
}

func TestProbesStayOpenButGiveNoReasonsToStrangers(t *testing.T) {
	url := "http://" + guarded(t, Access{Token: func() string { return "the-token-of-the-admin" }})
	if code, _ := ask(t, http.DefaultClient, url+"/livez", ""); code != http.StatusOK {
		t.Errorf("/livez: %d", code)
	}
	for authorization, reasons := range map[string]bool{"": false, "Bearer wrong": false, "Bearer the-token-of-the-admin": true} {
		code, body := ask(t, http.DefaultClient, url+"/readyz", authorization)
		var r Report
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
		if code != http.StatusServiceUnavailable || r.Ready || len(r.Parts) != 1 || r.Parts[0].Name != "publisher" {
			t.Errorf("/readyz with %q: %d %s", authorization, code, body)
		}
		if got := strings.Contains(body, "kafka-1.internal"); got != reasons {
			t.Errorf("/readyz with %q: %s", authorization, body)
		}
	}
}

func TestClientCertificateOpensTheListener(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "ours"), certtest.NewAuthority(t, "theirs")
	server := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.Issue(t, "admin").TLS(t)},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool(),
	}
	url := "https://" + guarded(t, Access{TLS: server, ClientCertificates: true})
	client := func(signer *certtest.Authority) *http.Client {
		c := &tls.Config{RootCAs: ca.Pool()}
		if signer != nil {
			own := signer.Issue(t, "operator").TLS(t)
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		}
		transport := &http.Transport{TLSClientConfig: c}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	for _, path := range closedPaths {
		if code, _ := ask(t, client(nil), url+path, ""); code != http.StatusUnauthorized {
			t.Errorf("%s without a certificate: %d", path, code)
		}
		if code, body := ask(t, client(ca), url+path, ""); code != http.StatusOK {
			t.Errorf("%s with a certificate: %d %s", path, code, body)
		}
	}
	if code, _ := ask(t, client(other), url+"/metrics", ""); code == http.StatusOK {
		t.Error("a certificate of another authority opened the listener")
	}
	if code, _ := ask(t, client(nil), url+"/livez", ""); code != http.StatusOK {
		t.Errorf("/livez without a certificate: %d", code)
	}
}
