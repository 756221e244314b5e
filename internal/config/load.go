package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/internal/invalid"
)

// DefaultFile is read when it exists and no other file is named.
const DefaultFile = "coexstream.yaml"

// Input has the sources of a configuration.
type Input struct {
	File     string            // named file, which must exist; empty: DefaultFile if it exists
	Environ  []string          // as os.Environ gives it
	Flags    map[string]string // key to value, already mapped from the flags that were given
	Defaults Default           // the role's own defaults
	// Secrets are the sections and keys whose secret files are read, for example "kafka". nil: all. A process needs no access to
	// the secrets of other roles.
	Secrets []string
}

// ErrInvalid is wrapped by every error that is the user's to correct.
var ErrInvalid = errors.New("invalid configuration")

// flagOrigin is the origin of a flag's value.
const flagOrigin = "a flag"

type layer struct {
	origin func(key string) string
	values map[string]any // flat
}

// Load reads and checks the configuration. Its error lists everything that is wrong.
func Load(in Input) (*Config, error) {
	keys := Keys()
	byName := make(map[string]*Key, len(keys))
	for i := range keys {
		byName[keys[i].Name] = &keys[i]
	}
	layers, problems, warnings, err := readLayers(in, keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	fail := func(err error) { problems = append(problems, err) }
	parsed, origins := map[string]any{}, map[string]string{}
	for i := range keys {
		def := keys[i].Default
		if d, ok := in.Defaults[keys[i].Name]; ok {
			def = d
		}
		if def == "" && keys[i].Kind != String && keys[i].Kind != List && keys[i].Kind != Sources {
			return nil, fmt.Errorf("key %s has no default", keys[i].Name)
		}
		v, err := keys[i].parse(emptyAsNil(def))
		if err != nil {
			return nil, invalid.From(keys[i].Name, def, "the defaults", "%s", keys[i].allowed())
		}
		parsed[keys[i].Name] = v
	}
	for _, l := range layers {
		for _, name := range sortedKeys(l.values) {
			k, known := byName[name]
			if !known {
				fail(fmt.Errorf("%s: unknown key in %s%s", name, l.origin(name), didYouMean(name, keyNames(keys))))
				continue
			}
			v, err := k.parse(l.values[name])
			if err != nil {
				fail(invalid.From(name, shown(k, l.values[name]), l.origin(name), "%s", k.allowed()))
				continue
			}
			parsed[name], origins[name] = v, l.origin(name)
		}
	}
	c, err := build(parsed, origins, problems, secretFiles{in.Secrets})
	if err == nil {
		c.warnings = append(warnings, weakSecrets(c.Ingress.Sources)...)
	}
	return c, err
}

func readLayers(in Input, keys []Key) (layers []layer, problems []error, warnings []string, err error) {
	path, named := in.File, in.File != ""
	if !named {
		path = DefaultFile
	}
	fileValues, err := readFile(path)
	switch {
	case err == nil:
		layers = append(layers, layer{func(string) string { return path }, fileValues})
	case named || !errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil, fmt.Errorf("read configuration file %s: %w", path, err)
	}

	env, problems, warnings := environment(in.Environ, keys)
	flags := layer{func(string) string { return flagOrigin }, map[string]any{}}
	for key, value := range in.Flags {
		flags.values[key] = value
	}
	return append(layers, env, flags), problems, warnings, nil
}

// readFile reads a YAML file into a flat map from key to value. Empty maps of known sections are no keys.
func readFile(path string) (map[string]any, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tree := map[string]any{}
	if err := yaml.Unmarshal(content, &tree); err != nil {
		return nil, WithoutQuotes(err)
	}
	flat := map[string]any{}
	flatten(flat, "", tree)
	// A section that is written but empty (`kafka:`) comes as a nil value of a name that only prefixes keys.
	for name, v := range flat {
		if v == nil && slices.ContainsFunc(keyNames(Keys()), func(key string) bool { return strings.HasPrefix(key, name+".") }) {
			delete(flat, name)
		}
	}
	return flat, nil
}

// flatten adds the values of nested maps under their names, joined with dots. A map that a file keys by numbers or
// truth values comes with keys of these types.
func flatten(flat map[string]any, prefix string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(flat, prefix+name+".", inner)
		}
	case map[any]any:
		for name, inner := range v {
			flatten(flat, prefix+fmt.Sprint(name)+".", inner)
		}
	default:
		flat[strings.TrimSuffix(prefix, ".")] = value
	}
}

func build(parsed map[string]any, origins map[string]string, problems []error, files secretFiles) (*Config, error) {
	fail := func(err error) { problems = append(problems, err) }
	list, _ := parsed["ingress.sources"].([]any)
	sources := decodeSources(list, files, fail)
	delete(parsed, "ingress.sources")
	c := &Config{values: parsed, origins: origins, unread: map[string]bool{}}
	setFields(reflect.ValueOf(c).Elem(), "", parsed)
	c.Ingress.Sources = sources
	for _, s := range []struct {
		key, file string
		value     *string
	}{
		{"kafka.sasl.password", c.Kafka.SASL.PasswordFile, &c.Kafka.SASL.Password},
		{"admin.token", c.Admin.TokenFile, &c.Admin.Token},
		{"sink.postgres.url", c.Sink.Postgres.URLFile, &c.Sink.Postgres.URL},
		{"sink.media.link_key", c.Sink.Media.LinkKeyFile, &c.Sink.Media.LinkKey},
		{"desk.app_token", c.Desk.AppTokenFile, &c.Desk.AppToken},
		{"desk.client_token", c.Desk.ClientTokenFile, &c.Desk.ClientToken},
	} {
		value, read := files.value(s.key, *s.value, s.file, fail)
		*s.value, c.unread[s.key] = value, !read
	}
	c.check(fail)
	c.checkSecurity(fail)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w:\n  %w", ErrInvalid, joined(problems))
	}
	return c, nil
}

// keyTag names the key of a field, within the section of its struct.
const keyTag = "key"

// setFields gives each field of a struct its key's value. TestKeysAndFieldsAreTheSame holds their types against each
// other.
func setFields(of reflect.Value, prefix string, values map[string]any) {
	for field, v := range of.Fields() {
		if !field.IsExported() {
			continue
		}
		name := prefix + field.Tag.Get(keyTag)
		if v.Kind() == reflect.Struct {
			setFields(v, name+".", values)
		} else if value, ok := values[name]; ok {
			v.Set(reflect.ValueOf(value).Convert(v.Type()))
		}
	}
}

// check looks at keys that must fit together.
func (c *Config) check(fail func(error)) {
	if c.Kafka.MinInsyncReplicas > c.Kafka.ReplicationFactor {
		fail(invalid.Value("kafka.min_insync_replicas", c.Kafka.MinInsyncReplicas, "at most kafka.replication_factor (%d)", c.Kafka.ReplicationFactor))
	}
	if least := (c.Ingress.BodyBytesMax + c.Ingress.DecodedBytesMax) * 4 / 3; c.Ingress.InFlightBytesMax < least {
		fail(invalid.Value("ingress.in_flight_bytes_max", byteText(c.Ingress.InFlightBytesMax),
			"at least 4/3 of ingress.body_bytes_max and ingress.decoded_bytes_max together (%s)", FormatBytes(least)))
	}
	if s := c.Kafka.SASL; s.Mechanism != "none" && s.Mechanism != "" && (s.Username == "" || s.Password == "" && !c.unread["kafka.sasl.password"]) {
		fail(invalid.Value("kafka.sasl.mechanism", s.Mechanism, "none, or any with kafka.sasl.username and kafka.sasl.password"))
	}
	if c.Desk.UnknownAfter < 3*c.Desk.Timeout {
		fail(invalid.Value("desk.unknown_after", c.Desk.UnknownAfter, "at least three times desk.timeout (%s)", 3*c.Desk.Timeout))
	}
	checkPair("kafka.tls", c.Kafka.TLS.CertFile, c.Kafka.TLS.KeyFile, "", fail)
	for _, b := range c.Kafka.Brokers {
		if !hostAndPort(b) {
			fail(invalid.Value("kafka.brokers", b, "host:port"))
		}
	}
	for _, l := range []struct{ key, address string }{
		{"admin.listen", c.Admin.Listen}, {"sink.media.link_listen", c.Sink.Media.LinkListen}, {"ingress.listen", c.Ingress.Listen}, {"embedded.listen", c.Embedded.Listen},
	} {
		if _, port, err := net.SplitHostPort(l.address); l.address != "" && (err != nil || !isPort(port)) {
			fail(invalid.Value(l.key, l.address, "%s", listenAllows))
		}
	}
	if c.Sink.Archive.Enabled && c.Sink.Archive.URL == "" {
		fail(invalid.Value("sink.archive.enabled", true, "false, or true with sink.archive.url"))
	}
	if c.Sink.Media.Enabled && c.Sink.Media.URL == "" && c.Sink.Archive.URL == "" {
		fail(invalid.Value("sink.media.enabled", true, "false, or true with sink.media.url or sink.archive.url"))
	}
	if m := c.Sink.Media; m.LinkListen != "" && (m.LinkURL == "" || m.LinkKey == "" && m.LinkKeyFile == "") {
		fail(invalid.Value("sink.media.link_listen", m.LinkListen, "an address with sink.media.link_key and sink.media.link_url, or none"))
	}
	if n := len(c.Sink.Media.LinkKey); n > 0 && n < linkKeyBytesMin {
		fail(invalid.Value("sink.media.link_key", invalid.Secret, "at least %d bytes", linkKeyBytesMin))
	}
	c.checkWaits(fail)
}

// linkKeyBytesMin is the least length of the key that signs links.
const linkKeyBytesMin = 32

// hostAndPort reports whether one can connect to an address.
func hostAndPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return err == nil && host != "" && !strings.ContainsAny(host, "/ ") && isPort(port) && n > 0
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16) // no sign
	return err == nil
}

// checkWaits looks at the waits of the resequencer: each must be at least as long as the one that it ends.
func (c *Config) checkWaits(fail func(error)) {
	h := c.Processor.History
	waits := []struct {
		key  string
		wait time.Duration
	}{
		{"processor.history.phase_hold", h.PhaseHold}, {"processor.history.gap_timeout", h.GapTimeout},
		{"processor.history.quiet_time", h.QuietTime}, {"processor.history.ceiling", h.Ceiling},
	}
	for i := 1; i < len(waits); i++ {
		if waits[i].wait < waits[i-1].wait {
			fail(invalid.Value(waits[i].key, durationText(waits[i].wait), "at least %s (%s)", waits[i-1].key, FormatDuration(waits[i-1].wait)))
		}
	}
	if c.Processor.RebalanceTimeout < c.Processor.SessionTimeout {
		fail(invalid.Value("processor.rebalance_timeout", durationText(c.Processor.RebalanceTimeout), "at least processor.session_timeout (%s)", FormatDuration(c.Processor.SessionTimeout)))
	}
}

// shown returns a value as an error may show it.
func shown(k *Key, raw any) any {
	if k.Secret {
		return invalid.Secret
	}
	return fmt.Sprint(raw)
}

func durationText(d time.Duration) invalid.Text { return invalid.Text(FormatDuration(d)) }
func byteText(n int64) invalid.Text             { return invalid.Text(FormatBytes(n)) }

func emptyAsNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func sortedKeys(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

type problems []error

func (p problems) Error() string {
	lines := make([]string, len(p))
	for i, err := range p {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n  ")
}

func (p problems) Unwrap() []error { return p }

func joined(errs []error) error { return problems(errs) }
