package config

import (
	"strings"
	"testing"
)

func TestAdminListenerBeyondLoopbackNeedsATokenOrClientCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	token := write(t, "token", "a-token-of-16-bytes-at-least\n")
	for _, tt := range []struct {
		listen string
		more   map[string]string
		ok     bool
	}{
		{"127.0.0.1:9090", nil, true},
		{"127.8.9.1:9090", nil, true},
		{"localhost:9090", nil, true},
		{"[::1]:9090", nil, true},
		{"", nil, true},
		{":9090", nil, false},
		{"0.0.0.0:9090", nil, false},
		{"[::]:9090", nil, false},
		{"10.0.0.1:9090", nil, false},
		{"admin.example.com:9090", nil, false},
		{"localhost.example.com:9090", nil, false},
		{":9090", map[string]string{"admin.token_file": token}, true},
		{":9090", map[string]string{"admin.tls.cert_file": "c", "admin.tls.key_file": "k"}, false},
		{":9090", map[string]string{"admin.tls.cert_file": "c", "admin.tls.key_file": "k", "admin.tls.client_ca_file": "a"}, true},
	} {
		flags := map[string]string{"admin.listen": tt.listen}
		for k, v := range tt.more {
			flags[k] = v
		}
		_, err := Load(Input{Flags: flags})
		if (err == nil) != tt.ok {
			t.Errorf("%q with %v: %v", tt.listen, tt.more, err)
		}
		if err == nil {
			continue
		}
		for _, want := range []string{"admin.listen", tt.listen, "admin.token", "admin.tls.client_ca_file"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: the error does not name %s: %v", tt.listen, want, err)
			}
		}
	}
}

func TestSecurityKeysThatDoNotFitTogetherAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	empty := write(t, "empty", "\n")
	for want, in := range map[string]Input{
		`ingress.tls.cert_file: "c" is not allowed; allowed: empty, or a file with ingress.tls.key_file`:       {Flags: map[string]string{"ingress.tls.cert_file": "c"}},
		`admin.tls.key_file: "k" is not allowed; allowed: empty, or a file with admin.tls.cert_file`:           {Flags: map[string]string{"admin.tls.key_file": "k"}},
		`ingress.tls.client_ca_file: "a" is not allowed; allowed: empty, or a file with ingress.tls.cert_file`: {Flags: map[string]string{"ingress.tls.client_ca_file": "a"}},
		"admin.token: the value is not allowed; allowed: at least 16":                                          {Environ: []string{"COEXSTREAM_ADMIN_TOKEN=short"}},
		"admin.token_file: ": {Flags: map[string]string{"admin.token_file": empty}},
		"ingress.sources[0].client_cn: \"cn\" is not allowed; allowed: empty, or any with ingress.tls.client_ca_file": {Flags: map[string]string{"ingress.sources": "[{name: a, signature_required: false, client_cn: cn}]"}},
		"ingress.sources[0].requests_per_second: \"-1\" is not allowed":                                               {Flags: map[string]string{"ingress.sources": "[{name: a, signature_required: false, requests_per_second: -1}]"}},
		"ingress.sources[0].verify_token: the value is not allowed; allowed: at least 16 characters, or none":         {File: write(t, "short.yaml", "ingress:\n  sources:\n  - {name: a, signature_required: false, verify_token: fifteen-of-them}\n")},
		"ingress.sources[1].verify_token: the value is not allowed; allowed: at least 16 characters":                  {File: write(t, "shortfile.yaml", "ingress:\n  sources:\n  - {name: a, signature_required: false, verify_token: sixteen-of-these}\n  - {name: b, signature_required: false, verify_token_file: "+write(t, "shorttoken", "ééééééé\n")+"}\n")},
		"ingress.sources[0].bytes_per_second: \"many\" is not allowed":                                                {Flags: map[string]string{"ingress.sources": "[{name: a, signature_required: false, bytes_per_second: many}]"}},
		"ingress.tls.min_version: \"1.1\" (from a flag) is not allowed; all":                                          {Flags: map[string]string{"ingress.tls.min_version": "1.1"}},
	} {
		if _, err := Load(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestSecretsOnTheCommandLineAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	file := write(t, "secret", "of-the-app")
	for key, value := range map[string]string{
		"kafka.sasl.password": "canary", "admin.token": "canary-canary-canary",
		"ingress.sources[0].verify_token":     "[{name: a, signature_required: false, verify_token: canary}]",
		"ingress.sources[0].secrets[0].value": "[{name: a, secrets: [{id: x, value: canary}]}]",
	} {
		name, _, _ := strings.Cut(key, "[")
		_, err := Load(Input{Flags: map[string]string{name: value}})
		if err == nil || !strings.Contains(err.Error(), key+": the value (from a flag) is not allowed; allowed: ") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", key, err)
		}
	}
	token := write(t, "token", "sixteen-or-more-characters")
	load(t, Input{Flags: map[string]string{"ingress.sources": "[{name: a, verify_token_file: " + token + ", secrets: [{id: x, value_file: " + file + "}]}]"}})
}

func TestBrokenFileIsToldWithoutWhatItHolds(t *testing.T) {
	for _, content := range []string{
		"canary-secret", "- canary-secret", "kafka: {sasl: {password: canary-secret\n", "a: &canary-secret\nb: *canary\n",
		"kafka:\n  sasl: canary-secret\n", "ingress:\n  sources: canary-secret\n", "kafka:\n  sasl:\n    password: [canary-secret]\n",
		"ingress:\n  sources:\n  - canary-secret\n", "ingress:\n  sources:\n  - {name: a, secrets: canary-secret}\n",
		"ingress:\n  sources:\n  - {name: a, secrets: [canary-secret]}\n", "ingress:\n  sources:\n  - {name: a, verify_token: [canary-secret]}\n",
		"admin: {token: canary-secre}\n",
	} {
		_, err := Load(Input{File: write(t, "broken.yaml", content)})
		if err == nil {
			t.Errorf("no error for %q", content)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", content, err)
		}
	}
}
