package webhook_test

import (
	"strings"
	"testing"

	"github.com/coexstream/coexstream/sinks/webhook"
)

func TestEachMistakeInTheEndpointsFileIsNamedAndNoSecretIsShown(t *testing.T) {
	const good = "name: crm\nurl: https://crm.example.com/hooks\nsecrets: [{id: a, value: " + someSecret + "}]"
	for line, want := range map[string]string{
		"":                                       "",
		"names: x":                               "field names not found",
		"name: CRM":                              "endpoints[0].name",
		"format: soap":                           "endpoints[0].format",
		"url: ftp://secret-host/x":               "endpoints[0].url",
		"url: http://secret-host":                "insecure_http",
		"url: https://user:secret-pass@host/":    "without a user",
		"topics: [message]":                      "endpoints[0].topics[0]",
		"topics: [raw.live]":                     "endpoints[0].topics[0]",
		"topics: [history]":                      "historical: true",
		"types: [x]":                             "endpoints[0].types[0]",
		"asset_links: 1h\ntopics: [messages]":    "topics with assets",
		"asset_links: 8d\ntopics: [assets]":      "is no duration",
		"asset_links: 200h\ntopics: [assets]":    "endpoints[0].asset_links",
		"wabas: ['']":                            "endpoints[0].wabas",
		"start: now":                             "endpoints[0].start",
		"missing: skip":                          "endpoints[0].missing",
		"in_flight: 0":                           "endpoints[0].in_flight",
		"in_flight: many":                        "cannot unmarshal",
		"rate: -1":                               "endpoints[0].rate",
		"timeout: 1h":                            "endpoints[0].timeout",
		"timeout: fast":                          "is no duration",
		"attempts_max: 0":                        "endpoints[0].attempts_max",
		"events_max: 5":                          "endpoints[0].events_max",
		"body_bytes_max: 10":                     "endpoints[0].body_bytes_max",
		"allow: [10.0.0.1]":                      "endpoints[0].allow[0]",
		"tls: {cert_file: x}":                    "tls.cert_file",
		"tls: {file: x}":                         "field file not found",
		"secrets: []":                            "endpoints[0].secrets",
		"secrets: [{id: a}]":                     "endpoints[0].secrets[0]",
		"secrets: [{id: a, value: secret-pass}]": "endpoints[0].secrets[0].value",
		"secrets: [{id: a, value: whsec_c2VjcmV0LXBhc3M=}]":                            "24 bytes",
		"secrets: [{id: a, value: secret-pass, value_file: /x}]":                       "endpoints[0].secrets[0]",
		"secrets: {id: secret-pass}":                                                   "cannot unmarshal",
		"format: meta\nsecrets: [{id: a, value: secret-pass}]":                         "16 characters",
		"format: meta\ntopics: [syncs]\nsecrets: [{id: a, value: " + metaSecret + "}]": "syncs and assets have none",
	} {
		// A line replaces the good one with its key.
		lines := []string{}
		for _, l := range strings.Split(good, "\n") {
			key, _, _ := strings.Cut(l, ":")
			if !strings.Contains("\n"+line, "\n"+key+":") {
				lines = append(lines, l)
			}
		}
		if line != "" {
			lines = append(lines, strings.Split(line, "\n")...)
		}
		_, err := webhook.Parse([]byte("endpoints:\n  - " + strings.Join(lines, "\n    ") + "\n"))
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", line, err, want)
		case err != nil && strings.Contains(err.Error(), "secret-"):
			t.Errorf("%q: %v shows a secret", line, err)
		}
	}
	for text, want := range map[string]string{
		"":             "EOF",
		"endpoints: 3": "cannot unmarshal",
		"endpoint: []": "field endpoint not found",
		"endpoints:\n- " + strings.ReplaceAll(good, "\n", "\n  ") + "\n- " + strings.ReplaceAll(good, "\n", "\n  "): "endpoints[1].name",
	} {
		if _, err := webhook.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if es, err := webhook.Parse([]byte("endpoints: []\n")); err != nil || len(es) != 0 {
		t.Errorf("no endpoints: %v", err)
	}
}
