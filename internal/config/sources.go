package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas/provider"
)

// Source is one sender of webhooks.
type Source struct {
	Name              string   `yaml:"name"`
	Provider          string   `yaml:"provider"`
	Path              string   `yaml:"path"`
	VerifyToken       string   `yaml:"verify_token"`
	VerifyTokenFile   string   `yaml:"verify_token_file,omitempty"`
	Secrets           []Secret `yaml:"secrets"`
	SignatureRequired bool     `yaml:"signature_required"`
	ClientCN          string   `yaml:"client_cn,omitempty"`
	RequestsMax       int      `yaml:"requests_max,omitempty"`
	RequestsPerSecond int64    `yaml:"requests_per_second,omitempty"`
	BytesPerSecond    int64    `yaml:"bytes_per_second,omitempty"`
}

// Secret is one app secret of a source. A source has several while secrets rotate, or when several apps
// send to one path.
type Secret struct {
	ID        string `yaml:"id"`
	Value     string `yaml:"value"`
	ValueFile string `yaml:"value_file,omitempty"`
}

// VerifyTokenMin is how many characters a verify token has at least: anybody may guess at it.
const VerifyTokenMin = 16

// sampleVerifyToken was in the first sample of docs/deployment.md, and is long enough.
const sampleVerifyToken = "choose-one-of-16-characters-or-more"

// appSecretChars is the length of Meta's app secrets: hexadecimal digits. One with less than half of them is a mistake.
const appSecretChars = 32

// weakSecrets warns of app secrets that are too short to be one. They are not refused: a partner may choose its own.
func weakSecrets(sources []Source) (warnings []string) {
	for i := range sources {
		for j, s := range sources[i].Secrets {
			if n := utf8.RuneCountInString(s.Value); n < appSecretChars/2 && s.Value != Redacted && (n > 0 || s.ValueFile == "") {
				warnings = append(warnings, fmt.Sprintf("ingress.sources[%d].secrets[%d].value: has less than %d characters; an app secret of Meta has %d", i, j, appSecretChars/2, appSecretChars))
			}
		}
	}
	return warnings
}

// SourceKeys documents the keys of a source.
func SourceKeys() []Key {
	return []Key{
		{Name: "name", Doc: "Name of the source in metrics and in the header `coex-source`.", Pattern: `^[A-Za-z0-9._-]{1,64}$`, Allows: "1 to 64 letters, digits, dots, dashes, underscores"},
		{Name: "provider", Kind: Enum, Default: provider.Default().Name, Allowed: provider.Names(), Doc: "Provider, which determines the signature header."},
		{Name: "path", Default: "/webhooks/<name>", Doc: "Path of the URL.", Pattern: `^/[A-Za-z0-9._~/-]*$`, Allows: "a path that begins with / and has no query"},
		{Name: "verify_token", Secret: true, Doc: "Token that the GET verification must have, 16 characters or more. Empty: every verification is refused."},
		{Name: "verify_token_file", Doc: "File with `verify_token`."},
		{Name: "secrets", Kind: List, Secret: true, Doc: "App secrets, each with `id` and `value` or `value_file`. A signature may use any of them."},
		{Name: "signature_required", Kind: Bool, Default: "true", Doc: "Refuse webhooks without a signature."},
		{Name: "client_cn", Doc: "Common name of the sender's client certificate, which `ingress.tls.client_ca_file` must verify. Empty: no client certificate is required. Meta's is `client.webhooks.fbclientcerts.com`.", Pattern: `^[ -~]{0,200}$`, Allows: "up to 200 printable ASCII characters"},
		{Name: "requests_per_second", Kind: Int, Default: "0", Max: 1 << 30, Doc: "Maximum accepted webhooks of the source per second. Beyond it the response is 429. 0: no limit."},
		{Name: "bytes_per_second", Kind: Bytes, Default: "0", Max: 64 * gib, Doc: "Maximum bytes of accepted webhooks of the source per second, as on the wire. Beyond it the response is 429. 0: no limit."},
		{Name: "requests_max", Kind: Int, Default: "0", Max: 1 << 20, Doc: "Maximum requests of the source in flight. Beyond it the response is 429. 0: no limit per source."},
	}
}

// decodeSources turns the raw list into sources and reports every problem with the key that has it.
func decodeSources(list []any, files secretFiles, fail func(error)) []Source {
	sources := make([]Source, 0, len(list))
	names, paths := map[string]bool{}, map[string]bool{}
	for i, raw := range list {
		at := fmt.Sprintf("ingress.sources[%d]", i)
		entry, ok := raw.(map[string]any)
		if !ok {
			fail(invalid.Value(at, invalid.Secret, "a map of name, provider, path, verify_token, secrets"))
			continue
		}
		s := decodeSource(at, entry, files, fail)
		if names[s.Name] {
			fail(invalid.Value(at+".name", s.Name, "a name that no other source has"))
		}
		if paths[s.Path] {
			fail(invalid.Value(at+".path", s.Path, "a path that no other source has"))
		}
		names[s.Name], paths[s.Path] = true, true
		if s.SignatureRequired && len(s.Secrets) == 0 {
			fail(invalid.Value(at+".secrets", []Secret{}, "at least one, or signature_required: false"))
		}
		sources = append(sources, s)
	}
	return sources
}

func decodeSource(at string, entry map[string]any, files secretFiles, fail func(error)) Source {
	keys := SourceKeys()
	values := map[string]any{}
	for name, raw := range entry {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
		if i < 0 {
			fail(fmt.Errorf("%s.%s: unknown key of a source%s", at, name, didYouMean(name, keyNames(keys))))
			continue
		}
		if name == "secrets" {
			continue
		}
		v, err := keys[i].parse(raw)
		if err != nil {
			fail(invalid.Value(at+"."+name, shown(&keys[i], raw), "%s", keys[i].allowed()))
			continue
		}
		values[name] = v
	}
	str := func(name string) string { s, _ := values[name].(string); return s }
	s := Source{
		Name: str("name"), Provider: str("provider"), Path: str("path"),
		VerifyToken: str("verify_token"), VerifyTokenFile: str("verify_token_file"), SignatureRequired: true,
	}
	if b, ok := values["signature_required"].(bool); ok {
		s.SignatureRequired = b
	}
	num := func(name string) int64 {
		n, _ := values[name].(int64)
		return n
	}
	s.ClientCN = str("client_cn")
	s.RequestsMax, s.RequestsPerSecond, s.BytesPerSecond = int(num("requests_max")), num("requests_per_second"), num("bytes_per_second")
	if s.Name == "" && entry["name"] == nil {
		fail(invalid.Value(at+".name", "", "%s", keys[0].allowed()))
	}
	if s.Provider == "" {
		s.Provider = provider.Default().Name
	}
	if s.Path == "" {
		s.Path = "/webhooks/" + s.Name
	}
	s.VerifyToken, _ = files.value(at+".verify_token", s.VerifyToken, s.VerifyTokenFile, fail)
	if s.VerifyToken != "" && s.VerifyToken != Redacted && utf8.RuneCountInString(s.VerifyToken) < VerifyTokenMin {
		fail(invalid.Value(at+".verify_token", invalid.Secret, "at least %d characters, or none. `openssl rand -hex 16` makes one; change it in the app's dashboard too", VerifyTokenMin))
	}
	if s.VerifyToken == sampleVerifyToken {
		fail(invalid.Value(at+".verify_token", invalid.Secret, "any but the sample of the documentation, which is public. `openssl rand -hex 16` makes one"))
	}
	s.Secrets = decodeSecrets(at+".secrets", entry["secrets"], files, fail)
	return s
}

func decodeSecrets(at string, raw any, files secretFiles, fail func(error)) []Secret {
	list, ok := raw.([]any)
	if !ok && raw != nil {
		fail(invalid.Value(at, invalid.Secret, "a list of {id, value} or {id, value_file}"))
		return nil
	}
	var secrets []Secret
	ids := map[string]bool{}
	for i, e := range list {
		here := fmt.Sprintf("%s[%d]", at, i)
		entry, ok := e.(map[string]any)
		if !ok {
			fail(invalid.Value(here, invalid.Secret, "a map of id and value or value_file"))
			continue
		}
		var s Secret
		for name, v := range entry {
			text, err := text(v)
			switch {
			case err != nil:
				fail(invalid.Value(here+"."+name, invalid.Secret, "text"))
			case name == "id":
				s.ID = text
			case name == "value":
				s.Value = text
			case name == "value_file":
				s.ValueFile = text
			default:
				fail(fmt.Errorf("%s.%s: unknown key of a secret%s", here, name, didYouMean(name, []string{"id", "value", "value_file"})))
			}
		}
		if s.ID == "" || ids[s.ID] {
			fail(invalid.Value(here+".id", s.ID, "a name that no other secret of the source has"))
		}
		ids[s.ID] = true
		var read bool
		if s.Value, read = files.value(here+".value", s.Value, s.ValueFile, fail); s.Value == "" && read {
			fail(invalid.Value(here+".value", "", "the app secret, or value_file with it"))
		}
		secrets = append(secrets, s)
	}
	return secrets
}

// secretFiles reads the secrets that are in files of their own.
type secretFiles struct {
	sections []string // sections that are read; nil: all
}

// value returns the value, or the content of the file without the line end that editors add. It reports false if the file
// was not read: that is a problem in a section of sections, and an empty value no second one.
func (f secretFiles) value(key, value, file string, fail func(error)) (string, bool) {
	if file == "" {
		return value, true
	}
	if value != "" {
		fail(invalid.Value(key+"_file", file, "empty, because %s is set too", key))
		return value, true
	}
	if f.sections != nil && !slices.ContainsFunc(f.sections, func(section string) bool { return key == section || strings.HasPrefix(key, section+".") }) {
		return "", false
	}
	b, err := os.ReadFile(file)
	if err != nil {
		fail(fmt.Errorf("%s_file: cannot be read: %w", key, err))
		return "", false
	}
	return FromFile(b), true
}

// FromFile is the secret that a file holds: all but the line end that editors add.
func FromFile(content []byte) string { return strings.TrimRight(string(content), "\r\n") }
