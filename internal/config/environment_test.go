package config

import (
	"errors"
	"strings"
	"testing"
)

func TestMisspeltVariableIsAnErrorThatNamesTheNearest(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]string{
		"COEXSTREAM_KAFKA_BROKER":              "COEXSTREAM_KAFKA_BROKERS",
		"COEXSTREAM_INGRES_LISTEN":             "COEXSTREAM_INGRESS_LISTEN",
		"COEXSTREAM_INGRESS__LISTEN":           "COEXSTREAM_INGRESS_LISTEN",
		"COEXSTREAM_LOGLEVEL":                  "COEXSTREAM_LOG_LEVEL",
		"COEXSTREAM_DATADIR":                   "COEXSTREAM_DATA_DIR",
		"coexstream_kafka_brokers":             "COEXSTREAM_KAFKA_BROKERS",
		"COEXTREAM_INGRESS_LISTEN":             "COEXSTREAM_INGRESS_LISTEN",
		"COEX_STREAM_DATA_DIR":                 "COEXSTREAM_DATA_DIR",
		"coexstraem_log_level":                 "COEXSTREAM_LOG_LEVEL",
		"COEXSTREAM_CONFIGS":                   "COEXSTREAM_CONFIG",
		"COEXSTREAM_PROCESSOR_DEDUP_WINDOWS":   "COEXSTREAM_PROCESSOR_DEDUP_WINDOW",
		"COEXSTREAM_KAFKA_SASL_PASSWORDFILE":   "COEXSTREAM_KAFKA_SASL_PASSWORD_FILE",
		"COEXSTREAM_PROCESSOR_HISTORY_CIELING": "COEXSTREAM_PROCESSOR_HISTORY_CEILING",
	} {
		_, err := Load(Input{Environ: []string{"PATH=/bin", name + "=s3cr3t"}})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: %v, want a hint at %s", name, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
}

// Kubernetes puts variables into every pod beside a service, and Docker did for a link: they are no mistakes.
func TestVariablesOfServicesAreNoMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	var environ []string
	for _, service := range []string{"COEXSTREAM", "COEXSTREAM_INGRESS", "COEXSTREAM_ADMIN", "COEXSTREAM_KAFKA", "COEXSTREAM_PROCESSOR"} {
		environ = append(environ,
			service+"_SERVICE_HOST=10.0.0.11", service+"_SERVICE_PORT=8080", service+"_SERVICE_PORT_HTTP=8080", service+"_SERVICE_PORT_ADMIN_HTTP=9090",
			service+"_PORT=tcp://10.0.0.11:8080", service+"_PORT_8080_TCP=tcp://10.0.0.11:8080", service+"_PORT_8080_TCP_PROTO=tcp",
			service+"_PORT_8080_TCP_PORT=8080", service+"_PORT_8080_TCP_ADDR=10.0.0.11", service+"_PORT_53_UDP=udp://10.0.0.11:53")
	}
	c := load(t, Input{Environ: environ})
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("%d warnings: %q", len(w), w)
	}
	if c.Ingress.Listen != ":8080" {
		t.Errorf("ingress.listen: %q", c.Ingress.Listen)
	}
}

func TestVariableFarFromAllKeysIsAWarning(t *testing.T) {
	t.Chdir(t.TempDir())
	c := load(t, Input{Environ: []string{"COEXSTREAM_IMAGE_TAG=v1.2", "COEXSTREAM_INGRESS_PORT=8080", "COEXSTREAM_BROKERS=a:1", "COEXSTREAMLINED=1", "OTHER=2"}})
	w := strings.Join(c.Warnings(), "\n")
	for _, want := range []string{"COEXSTREAM_IMAGE_TAG sets no key", "COEXSTREAM_INGRESS_PORT sets no key", "COEXSTREAM_BROKERS sets no key and is ignored; did you mean "} {
		if !strings.Contains(w, want) {
			t.Errorf("no warning %q in:\n%s", want, w)
		}
	}
	if len(c.Warnings()) != 3 || strings.Contains(w, "v1.2") {
		t.Errorf("warnings:\n%s", w)
	}
}
