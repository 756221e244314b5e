package config

import "testing"

func TestAPlainURLBeyondLoopbackIsRecognised(t *testing.T) {
	for base, want := range map[string]bool{
		"": false, "https://desk.internal:9090": false, "http://127.0.0.1:9090": false, "http://[::1]:9090": false, "http://localhost:9090": false,
		"http://desk.internal:9090": true, "http://10.0.0.1": true, "HTTP://desk.internal": true, "http://localhost.example.com": true, "http://127.0.0.1.example.com": true,
	} {
		if got := PlainBeyondLoopback(base); got != want {
			t.Errorf("%q: %v, want %v", base, got, want)
		}
	}
}
