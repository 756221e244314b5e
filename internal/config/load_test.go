package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, in Input) *Config {
	t.Helper()
	c, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsAreValidForEveryRole(t *testing.T) {
	t.Chdir(t.TempDir())
	if c := load(t, Input{}); c.Kafka.Partitions != 12 || c.Topics.Raw.Retention != 14*24*time.Hour || c.Ingress.BodyBytesMax != 4<<20 {
		t.Errorf("unexpected defaults: %+v", c)
	}
	if c := load(t, Input{Defaults: UpDefaults()}); c.Kafka.Partitions != 4 || c.Kafka.ReplicationFactor != 1 {
		t.Errorf("unexpected defaults of up: %+v", c.Kafka)
	}
}

// Each layer overrides the one before it, key by key, and a key that a layer does not mention stays.
func TestLaterLayerWins(t *testing.T) {
	path := write(t, "c.yaml", "kafka:\n  prefix: file.\n  client_id: file\n  partitions: 5\nlog: {level: warn}\n")
	in := Input{
		Defaults: Default{"kafka.partitions": "4", "kafka.prefix": "role.", "kafka.client_id": "role", "log.level": "debug", "data_dir": "role"},
		File:     path,
		Environ:  []string{"COEXSTREAM_KAFKA_PREFIX=env.", "COEXSTREAM_KAFKA_CLIENT_ID=env", "HOME=/"},
		Flags:    map[string]string{"kafka.prefix": "flag."},
	}
	c := load(t, in)
	for _, tt := range []struct{ what, got, want string }{
		{"flag over environment", c.Kafka.Prefix, "flag."},
		{"environment over file", c.Kafka.ClientID, "env"},
		{"file over role's default", c.Log.Level, "warn"},
		{"role's default over default", c.DataDir, "role"},
		{"default", c.Log.Format, "auto"},
		{"origin of a flag", c.Origin("kafka.prefix"), "a flag"},
		{"origin of a variable", c.Origin("kafka.client_id"), "COEXSTREAM_KAFKA_CLIENT_ID"},
		{"origin of the file", c.Origin("log.level"), path},
		{"origin of a default", c.Origin("data_dir"), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if c.Kafka.Partitions != 5 {
		t.Errorf("partitions: got %d, want 5 of the file", c.Kafka.Partitions)
	}
}

func TestDefaultFileIsReadOnlyWhenItExists(t *testing.T) {
	t.Chdir(t.TempDir())
	if c := load(t, Input{}); c.Kafka.Prefix != "coex." {
		t.Errorf("prefix: %q", c.Kafka.Prefix)
	}
	if err := os.WriteFile(DefaultFile, []byte("kafka: {prefix: x.}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := load(t, Input{}); c.Kafka.Prefix != "x." {
		t.Errorf("prefix: %q", c.Kafka.Prefix)
	}
	if _, err := Load(Input{File: "absent.yaml"}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("a named file that is absent: %v", err)
	}
}

// An error names the key, the value, its origin, and the allowed values.
func TestInvalidValueNamesKeyValueAndAllowed(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		key, value string
		want       []string
	}{
		{"kafka.partitions", "0", []string{"1 to 1024"}},
		{"kafka.partitions", "many", []string{"whole number"}},
		{"kafka.prefix", "a b", []string{"letters"}},
		{"log.level", "loud", []string{"debug, info, warn, error"}},
		{"topics.raw.retention", "14", []string{"duration", "14d"}},
		{"ingress.ack_timeout", "1h", []string{"50ms to 1m"}},
		{"ingress.body_bytes_max", "3 elephants", []string{"16MiB", "64KiB to 64MiB"}},
		{"embedded.sync_writes", "perhaps", []string{"true or false"}},
		{"embedded.listen", "0.0.0.0:9092", []string{"embedded.advertise", "one interface"}},
		{"embedded.listen", ":9092", []string{"embedded.advertise"}},
		{"embedded.advertise", "broker", []string{"host:port"}},
		{"embedded.authentication", "off", []string{"auto, always"}},
		{"kafka.brokers", "broker", []string{`"broker"`, "host:port"}},
		{"kafka.brokers", "a:9092,b", []string{`"b"`, "host:port"}},
		{"kafka.brokers", "a:", []string{"host:port"}},
		{"kafka.brokers", ":9092", []string{"host:port"}},
		{"kafka.brokers", "a:0", []string{"host:port"}},
		{"kafka.brokers", "a:65536", []string{"host:port"}},
		{"kafka.brokers", "a:+9092", []string{"host:port"}},
		{"kafka.brokers", "kafka://a:9092", []string{"host:port"}},
		{"kafka.brokers", "::1", []string{"host:port"}},
		{"admin.listen", "127.0.0.1:99999", []string{"host:port"}},
		{"ingress.listen", ":65536", []string{"host:port"}},
		{"ingress.listen", "8080", []string{"host:port"}},
		{"kafka.min_insync_replicas", "4", []string{"kafka.replication_factor (3)"}},
		{"topics.max_message_bytes", "64KiB", []string{"128KiB to 1GiB"}},
		{"processor.history.ceiling", "1h", []string{"processor.history.quiet_time (6h)"}},
		{"processor.history.gap_timeout", "1s", []string{"processor.history.phase_hold (2m)"}},
		{"kafka.sasl.mechanism", "plain", []string{"password"}},
		{"ingress.sources", "{}", []string{"list of sources"}},
	} {
		_, err := Load(Input{Flags: map[string]string{tt.key: tt.value}})
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s=%s: %v, want ErrInvalid", tt.key, tt.value, err)
			continue
		}
		for _, w := range append(tt.want, tt.key, "allowed") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s=%s: %q does not say %q", tt.key, tt.value, err, w)
			}
		}
	}
	_, err := Load(Input{Environ: []string{"COEXSTREAM_LOG_LEVEL=loud"}})
	for _, w := range []string{"log.level", `"loud"`, "COEXSTREAM_LOG_LEVEL", "allowed"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
}

func TestUnknownKeyNamesTheNearest(t *testing.T) {
	path := write(t, "c.yaml", "kafka:\n  brokrs: [a:1]\nadmin:\n  listn: :1\nnonsense_that_is_far_away_from_all: 1\ningress:\n")
	_, err := Load(Input{File: path})
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range []string{"kafka.brokrs", "did you mean kafka.brokers?", "admin.listn", "did you mean admin.listen?", "nonsense_that_is_far_away_from_all: unknown key"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "ingress: unknown") {
		t.Errorf("an empty section is no unknown key: %v", err)
	}
}

const sourcesYAML = `
ingress:
  sources:
    - name: main
      path: /hook
      verify_token: vt-secret-of-meta
      secrets: [{id: a, value: as-secret}, {id: b, value_file: FILE}]
    - {name: partner, provider: 360dialog, signature_required: false}
kafka:
  sasl: {mechanism: plain, username: u, password: sasl-secret}
`

func TestSourcesAreReadWithTheirDefaults(t *testing.T) {
	secret := write(t, "secret", "from-file\n")
	c := load(t, Input{File: write(t, "c.yaml", strings.ReplaceAll(sourcesYAML, "FILE", secret))})
	if len(c.Ingress.Sources) != 2 {
		t.Fatalf("sources: %+v", c.Ingress.Sources)
	}
	first, second := c.Ingress.Sources[0], c.Ingress.Sources[1]
	if first.Provider != "meta" || !first.SignatureRequired || first.VerifyToken != "vt-secret-of-meta" || first.Secrets[1].Value != "from-file" {
		t.Errorf("first source: %+v", first)
	}
	if second.Path != "/webhooks/partner" || second.SignatureRequired || second.Provider != "360dialog" {
		t.Errorf("second source: %+v", second)
	}
}

func TestSourcesFitAnEnvironmentVariable(t *testing.T) {
	t.Chdir(t.TempDir())
	c := load(t, Input{Environ: []string{`COEXSTREAM_INGRESS_SOURCES=[{"name":"m","secrets":[{"id":"x","value":"y"}]}]`}})
	if len(c.Ingress.Sources) != 1 || c.Ingress.Sources[0].Secrets[0].Value != "y" {
		t.Errorf("sources: %+v", c.Ingress.Sources)
	}
}

func TestSourceErrorsNameTheSource(t *testing.T) {
	path := write(t, "c.yaml", `
ingress:
  sources:
    - {name: a, providr: meta, secrets: [{id: x, value: y}]}
    - {name: a, path: /b, secrets: [{id: x}, {id: x, valu: s3cr3t}]}
    - {path: no-slash, provider: other}
    - {name: c, secrets: [{id: x, value_file: /does/not/exist}]}
`)
	_, err := Load(Input{File: path})
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range []string{
		"ingress.sources[0].providr: unknown key of a source; did you mean provider?",
		`ingress.sources[1].name: "a" is not allowed; allowed: a name that no other source has`,
		`ingress.sources[1].secrets[0].value: "" is not allowed`,
		"did you mean value?",
		"ingress.sources[1].secrets[1].id",
		`ingress.sources[2].name: "" is not allowed`,
		`ingress.sources[2].provider: "other" is not allowed; allowed: one of meta, 360dialog`,
		"ingress.sources[2].path",
		"ingress.sources[2].secrets: [] is not allowed",
		"ingress.sources[3].secrets[0].value_file: cannot be read",
	} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Error("an error shows a secret")
	}
}

func TestAFileThatCannotBeReadIsOneProblemAndNotEmptyToo(t *testing.T) {
	for name, c := range map[string]struct{ key, yaml string }{
		"app secret":     {"ingress.sources[0].secrets[0].value_file", "ingress: {sources: [{name: a, secrets: [{id: x, value_file: /does/not/exist}]}]}"},
		"verify token":   {"ingress.sources[0].verify_token_file", "ingress: {sources: [{name: a, verify_token_file: /does/not/exist, secrets: [{id: x, value: 0123456789abcdef}]}]}"},
		"Kafka password": {"kafka.sasl.password_file", "kafka: {sasl: {mechanism: plain, username: u, password_file: /does/not/exist}}"},
		"admin token":    {"admin.token_file", "admin: {listen: '0.0.0.0:9090', token_file: /does/not/exist}"},
	} {
		_, err := Load(Input{File: write(t, "c.yaml", c.yaml)})
		if err == nil || !strings.Contains(err.Error(), c.key+": cannot be read") || strings.Count(err.Error(), "\n") != 1 {
			t.Errorf("%s: %v, want the line of %s alone", name, err, c.key)
		}
	}
}

func TestTheSampleVerifyTokenIsRefusedAndAShortAppSecretWarnedOf(t *testing.T) {
	yaml := func(token, secret string) Input {
		return Input{File: write(t, "c.yaml", "ingress: {sources: [{name: a, verify_token: "+token+", secrets: [{id: x, value: 0123456789abcdef0123456789abcdef}, {id: y, value: "+secret+"}]}]}")}
	}
	if _, err := Load(yaml("choose-one-of-16-characters-or-more", "0123456789abcdef")); err == nil || !strings.Contains(err.Error(), "ingress.sources[0].verify_token: the value is not allowed; allowed: any but the sample") {
		t.Errorf("the sample: %v", err)
	}
	for secret, want := range map[string]int{"x": 1, "0123456789abcde": 1, "0123456789abcdef": 0} {
		w := load(t, yaml("0123456789abcdef", secret)).Warnings()
		if len(w) != want || want > 0 && (!strings.Contains(w[0], "ingress.sources[0].secrets[1].value: has less than 16 characters") || strings.Contains(w[0], `"`+secret+`"`)) {
			t.Errorf("a secret of %d characters: %q, want %d warnings", len(secret), w, want)
		}
	}
}

func TestPrintShowsNoSecretAndReadsBack(t *testing.T) {
	secret := write(t, "secret", "from-file\n")
	path := write(t, "c.yaml", strings.ReplaceAll(sourcesYAML, "FILE", secret)+"topics: {raw: {retention: 36h}}\n")
	c := load(t, Input{File: path, Flags: map[string]string{"ingress.body_bytes_max": "3MiB"}})
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"vt-secret", "as-secret", "sasl-secret", "from-file"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is printed:\n%s", s, &out)
		}
	}
	for _, s := range []string{"retention: 1d12h # from " + path, "body_bytes_max: 3MiB # from a flag", Redacted} {
		if !strings.Contains(out.String(), s) {
			t.Errorf("%q is not printed:\n%s", s, &out)
		}
	}
	again := load(t, Input{File: write(t, "again.yaml", out.String())})
	if again.Topics != c.Topics || again.Processor != c.Processor || again.Ingress.BodyBytesMax != c.Ingress.BodyBytesMax {
		t.Errorf("what was printed reads as another configuration:\n%+v\n%+v", again, c)
	}
}

// Instances of one group agree, for any names and secrets; every other difference shows.
func TestHashTellsConfigurationsApart(t *testing.T) {
	t.Chdir(t.TempDir())
	hash := func(flags map[string]string, environ ...string) string {
		t.Helper()
		c := load(t, Input{Flags: flags, Environ: environ})
		h, err := c.Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	base := hash(nil)
	if h := hash(map[string]string{"processor.instance_id": "processor-1"}); h != base {
		t.Errorf("another instance: %s, want %s", h, base)
	}
	if h := hash(map[string]string{"processor.dedup_window": "25h"}); h == base {
		t.Errorf("another window: %s, too", h)
	}
	sasl := func(password string) string {
		return hash(map[string]string{"kafka.sasl.mechanism": "plain", "kafka.sasl.username": "u"}, "COEXSTREAM_KAFKA_SASL_PASSWORD="+password)
	}
	if a, b := sasl("one"), sasl("two"); a != b || a == base {
		t.Errorf("passwords %s, %s, none %s", a, b, base)
	}
	// The keys that belong to one instance.
	for key, value := range map[string]string{
		"admin.listen": "127.0.0.1:9191", "admin.hosts": "ingress-0.example.com", "ingress.listen": ":8181", "data_dir": "elsewhere", "ingress.spool.dir": "/spool/0",
		"kafka.client_id": "ingress-0", "embedded.listen": "127.0.0.1:9999", "embedded.advertise": "ingress-0:9092",
	} {
		if h := hash(map[string]string{key: value}); h != base {
			t.Errorf("%s tells instances apart", key)
		}
	}
	// The place of a file does not count; that there is one does.
	one, other := write(t, "token", "a-token-of-16-bytes-at-least"), write(t, "token", "a-token-of-16-bytes-at-least")
	token := "COEXSTREAM_ADMIN_TOKEN=a-token-of-16-bytes-at-least"
	if a, b, c := hash(map[string]string{"admin.token_file": one}), hash(map[string]string{"admin.token_file": other}), hash(nil, token); a != b || a != c || a == base {
		t.Errorf("token of one file %s, of another one %s, of none %s; without %s", a, b, c, base)
	}
	tls := func(path string) string {
		return hash(map[string]string{"ingress.tls.cert_file": path + "/cert", "ingress.tls.key_file": path + "/key"})
	}
	if a, b := tls("/a"), tls("/b"); a != b || a == base {
		t.Errorf("certificates at two paths: %s, %s, none %s", a, b, base)
	}
	source := func(more string) string {
		return hash(map[string]string{"ingress.sources": "[{name: a, secrets: [{id: x, value_file: " + one + "}], verify_token_file: " + more + "}]"})
	}
	if a, b := source(one), source(other); a != b || a == base {
		t.Errorf("sources with files at two paths: %s, %s, none %s", a, b, base)
	}
}
