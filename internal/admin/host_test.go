package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// askWith asks with a Host and further headers.
func askWith(t *testing.T, address, path, host string, headers map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A page whose name was pointed at this machine makes its browser ask with that name.
func TestDNSRebindingIsRefused(t *testing.T) {
	address := guarded(t, Access{Hosts: []string{"ops.example.com"}})
	for host, open := range map[string]bool{
		// Kubernetes probes and Prometheus ask a pod by its IP address.
		"127.0.0.1:9090": true, "127.0.0.1": true, "10.42.0.7:9090": true, "[::1]:9090": true, "[fd00::7]:9090": true, "[fd00::7]": true,
		"localhost:9090": true, "LOCALHOST": true, "localhost.": true,
		"ops.example.com:9090": true, "OPS.example.com.": true,
		"evil.example:9090": false, "evil.example": false, "127.0.0.1.evil.example:9090": false, "localhost.evil.example": false,
		"ops.example.com.evil.example": false, "xops.example.com": false, "2130706433": false, "0x7f.1": false,
	} {
		for _, path := range closedPaths {
			if code, body := askWith(t, address, path, host, nil); (code == http.StatusOK) != open || !open && (code != http.StatusForbidden || !strings.Contains(body, "admin.hosts")) {
				t.Errorf("%s of %s: %d %s", path, host, code, body)
			}
		}
		if code, _ := askWith(t, address, "/livez", host, nil); code != http.StatusOK {
			t.Errorf("/livez of %s: %d", host, code)
		}
		code, body := askWith(t, address, "/readyz", host, nil)
		var r Report
		if err := json.Unmarshal([]byte(body), &r); err != nil || code != http.StatusServiceUnavailable {
			t.Errorf("/readyz of %s: %d %s", host, code, body)
		}
		if strings.Contains(body, "kafka-1.internal") != open {
			t.Errorf("/readyz of %s: %s", host, body)
		}
	}
	if code, _ := askWith(t, guarded(t, Access{Hosts: []string{"*"}}), "/metrics", "any.example", nil); code != http.StatusOK {
		t.Errorf("with the host *: %d", code)
	}
}

// Prometheus brings the token, and may ask by any name.
func TestTokenIsEnoughByAnyName(t *testing.T) {
	address := guarded(t, Access{Token: func() string { return "the-token-of-the-admin" }})
	if code, _ := askWith(t, address, "/metrics", "coexstream.monitoring.svc:9090", map[string]string{"Authorization": "Bearer the-token-of-the-admin"}); code != http.StatusOK {
		t.Errorf("with the token: %d", code)
	}
	if code, _ := askWith(t, address, "/metrics", "127.0.0.1", nil); code != http.StatusUnauthorized {
		t.Errorf("without it, by address: %d", code)
	}
}

func TestPagesOfOtherSitesTakeNoProfiles(t *testing.T) {
	address := guarded(t, Access{})
	for _, tt := range []struct {
		site, mode, dest string
		code             int
	}{
		{"cross-site", "no-cors", "image", http.StatusForbidden},
		{"cross-site", "cors", "empty", http.StatusForbidden},
		{"same-site", "no-cors", "script", http.StatusForbidden},
		{"cross-site", "navigate", "iframe", http.StatusForbidden},
		{"cross-site", "navigate", "document", http.StatusOK}, // a link that was followed
		{"same-origin", "navigate", "document", http.StatusOK},
		{"none", "navigate", "document", http.StatusOK},
		{"", "", "", http.StatusOK},
	} {
		headers := map[string]string{}
		for name, value := range map[string]string{"Sec-Fetch-Site": tt.site, "Sec-Fetch-Mode": tt.mode, "Sec-Fetch-Dest": tt.dest} {
			if value != "" {
				headers[name] = value
			}
		}
		if code, _ := askWith(t, address, "/debug/pprof/cmdline", "127.0.0.1:9090", headers); code != tt.code {
			t.Errorf("%+v: %d", tt, code)
		}
	}
}

func TestProfilesHaveAMaximumLength(t *testing.T) {
	address := guarded(t, Access{})
	for _, profile := range []string{"profile", "trace", "heap", "goroutine", "allocs"} {
		for _, seconds := range []string{"61", "60.5", "3600", "1e9", "-1", "NaN", "Inf", "1h", "0x1p10"} {
			if code, body := askWith(t, address, "/debug/pprof/"+profile+"?seconds="+seconds, "127.0.0.1", nil); code != http.StatusBadRequest || !strings.Contains(body, "0 to 60") {
				t.Errorf("%s of %s s: %d %.80s", profile, seconds, code, body)
			}
		}
	}
	if code, body := askWith(t, address, "/debug/pprof/trace?seconds=0.01", "127.0.0.1", nil); code != http.StatusOK || len(body) == 0 {
		t.Errorf("a short trace: %d", code)
	}
	// A request of the pprof tool stays complete.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/debug/pprof/symbol", strings.NewReader("0x1"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "num_symbols") {
		t.Errorf("symbols: %s, %v", b, err)
	}
}
