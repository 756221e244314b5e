package main

import (
	"strings"
	"testing"
)

// A comparison needs exact versions.
func TestVersionsNameWhatIsComparedWith(t *testing.T) {
	t.Chdir("../..")
	all := versions(t.Context())
	for name, prefix := range map[string]string{
		"go": "go1.", "Apache Kafka": "4.", "Kafka Streams": "4.", "OpenTelemetry collector": "v", "Benthos": "v4.",
	} {
		if !strings.HasPrefix(all[name], prefix) {
			t.Errorf("%s: %q, want %s…", name, all[name], prefix)
		}
	}
	for name, version := range all {
		if version == "" || strings.ContainsAny(version, "\n") {
			t.Errorf("%s: %q", name, version)
		}
	}
}
