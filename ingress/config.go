package ingress

import (
	"fmt"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas/provider"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Config is the configuration of a Server.
type Config struct {
	Listen  string
	Sources []Source

	BodyBytesMax     int   // of a body on the wire
	DecodedBytesMax  int   // of a body after its content coding is undone
	RatioMax         int   // decoded bytes for a byte on the wire, above 64 KiB
	HeaderBytesMax   int   // request line and headers
	ConnectionsMax   int   // concurrent connections
	PerClientMax     int   // the same, of one client address; 0: no limit of its own
	InFlightBytesMax int64 // of all bodies being read or waiting

	ReadTimeout  time.Duration // for a whole request
	WriteTimeout time.Duration
	IdleTimeout  time.Duration // between two requests of a connection
	AckTimeout   time.Duration // from the arrival of a request to its answer
	RetryAfter   time.Duration // in answers with 429 and 503, in whole seconds

	DrainDelay   time.Duration // from not being ready to accepting no more
	DrainTimeout time.Duration // for requests in flight at the end
}

// Source is one sender of webhooks: a path of its own.
type Source struct {
	Name     string // in metrics, logs and the records' headers
	Provider string // name of a provider (schemas/provider): it determines the signature and the verification
	Path     string
	// VerifyToken is what GET verification asks for: verifyTokenMin characters at least. Empty: every GET is refused.
	VerifyToken Credential
	// Secrets are tried in turn: several apps, or the old and the new one during a rotation.
	Secrets           []Secret
	SignatureRequired bool
	// RequestsMax limits the source's requests in flight; 0: no limit of its own.
	RequestsMax int
	// RequestsPerSecond and BytesPerSecond limit the webhooks that are accepted; 0: no limit. A second's worth may come at
	// once. Only verified webhooks count, so that forged ones cannot use up the limit.
	RequestsPerSecond int64
	BytesPerSecond    int64
	// ClientCN is the common name that a verified client certificate must have; empty: none is needed.
	ClientCN string
}

// Secret is an app secret. Its id is in the records whose signature it matched.
type Secret struct {
	ID    string
	Value Credential
}

// Credential is a string that prints and marshals as a placeholder.
type Credential string

// String hides the credential.
func (c Credential) String() string {
	if c == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides the credential.
func (c Credential) GoString() string { return c.String() }

// MarshalText hides the credential.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// DefaultConfig returns the defaults. Sources has none.
func DefaultConfig() Config {
	return Config{
		BodyBytesMax:     4 << 20, // the documents say 3 MB
		DecodedBytesMax:  16 << 20,
		RatioMax:         200,
		HeaderBytesMax:   8 << 10,
		ConnectionsMax:   4096,
		PerClientMax:     512,
		InFlightBytesMax: 128 << 20,
		ReadTimeout:      20 * time.Second,
		WriteTimeout:     10 * time.Second,
		IdleTimeout:      75 * time.Second,
		AckTimeout:       4 * time.Second, // senders wait for 5 s at least
		RetryAfter:       5 * time.Second,
		DrainTimeout:     15 * time.Second,
	}
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Config) Validate() error {
	for _, l := range []struct {
		key         string
		value       int64
		least, most int64
	}{
		{"body_bytes_max", int64(c.BodyBytesMax), 1 << 10, 64 << 20},
		{"decoded_bytes_max", int64(c.DecodedBytesMax), 1 << 10, 256 << 20},
		{"ratio_max", int64(c.RatioMax), 1, 100_000},
		{"header_bytes_max", int64(c.HeaderBytesMax), 1 << 10, 1 << 20},
		{"connections_max", int64(c.ConnectionsMax), 1, 1 << 20},
		{"connections_per_client_max", int64(c.PerClientMax), 0, 1 << 20},
		{"in_flight_bytes_max", c.InFlightBytesMax, leastInFlight(c), 1 << 40},
	} {
		if l.value < l.least || l.value > l.most {
			return invalid.Value("ingress."+l.key, l.value, "%d to %d", l.least, l.most)
		}
	}
	for _, l := range []struct {
		key         string
		value       time.Duration
		least, most time.Duration
	}{
		{"read_timeout", c.ReadTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"write_timeout", c.WriteTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"idle_timeout", c.IdleTimeout, 100 * time.Millisecond, time.Hour},
		{"ack_timeout", c.AckTimeout, 50 * time.Millisecond, time.Minute},
		{"retry_after", c.RetryAfter, time.Second, time.Hour},
		{"drain_delay", c.DrainDelay, 0, 10 * time.Minute},
		{"drain_timeout", c.DrainTimeout, 100 * time.Millisecond, 10 * time.Minute},
	} {
		if l.value < l.least || l.value > l.most {
			return invalid.Value("ingress."+l.key, l.value, "%s to %s", l.least, l.most)
		}
	}
	if len(c.Sources) == 0 {
		return invalid.Value("ingress.sources", c.Sources, "at least one source")
	}
	names, paths := map[string]bool{}, map[string]bool{}
	for i := range c.Sources {
		s := &c.Sources[i]
		if err := s.validate(); err != nil {
			return fmt.Errorf("ingress.sources[%d].%w", i, err)
		}
		if names[s.Name] {
			return invalid.Value(fmt.Sprintf("ingress.sources[%d].name", i), s.Name, "a name that no other source has")
		}
		if paths[s.Path] {
			return invalid.Value(fmt.Sprintf("ingress.sources[%d].path", i), s.Path, "a path that no other source has")
		}
		names[s.Name], paths[s.Path] = true, true
	}
	return nil
}

// leastInFlight returns the least total with room for one body of the largest size.
func leastInFlight(c *Config) int64 {
	return (roomFor(c.BodyBytesMax)+int64(c.DecodedBytesMax))*4/3 + 1
}

func (s *Source) validate() error {
	if strings.EqualFold(s.Name, syncrequest.Source) {
		return invalid.Value("name", s.Name, "any other name: the records of the desk have this one")
	}
	if !plain(s.Name, 64) {
		return invalid.Value("name", s.Name, "1 to 64 letters, digits, dots, dashes, underscores")
	}
	if provider.Named(s.Provider) == nil {
		return invalid.Value("provider", s.Provider, "one of %s", strings.Join(provider.Names(), ", "))
	}
	if !strings.HasPrefix(s.Path, "/") || strings.ContainsAny(s.Path, "?#% \t\r\n\\") ||
		strings.Contains(s.Path, "//") || strings.Contains(s.Path, "/.") {
		return invalid.Value("path", s.Path, "a path that begins with / and has no query, no escapes, no // and no /.")
	}
	if s.RequestsMax < 0 {
		return invalid.Value("requests_max", s.RequestsMax, "0 (no limit) or more")
	}
	for _, l := range []struct {
		key   string
		value int64
	}{{"requests_per_second", s.RequestsPerSecond}, {"bytes_per_second", s.BytesPerSecond}} {
		if l.value < 0 || l.value > rateMost {
			return invalid.Value(l.key, l.value, "0 (no limit) to %d", int64(rateMost))
		}
	}
	if s.SignatureRequired && len(s.Secrets) == 0 {
		return noSecrets("secrets")
	}
	if err := validateToken(s.VerifyToken); err != nil {
		return err
	}
	return validateSecrets(s.Secrets)
}

// noSecrets is the error of a source that could accept nothing.
func noSecrets(key string) error {
	return invalid.Value(key, []Secret{}, "at least one, or signature_required: false")
}

func validateSecrets(secrets []Secret) error {
	ids := map[string]bool{}
	for i, secret := range secrets {
		if !plain(secret.ID, 64) || ids[secret.ID] {
			return invalid.Value(fmt.Sprintf("secrets[%d].id", i), secret.ID, "1 to 64 letters, digits, dots, dashes, underscores, which no other secret of the source has")
		}
		ids[secret.ID] = true
		if secret.Value == "" {
			return invalid.Value(fmt.Sprintf("secrets[%d].value", i), "", "the app secret")
		}
	}
	return nil
}

// plain reports whether s can be used in a label, a header and a log line without quoting.
func plain(s string, most int) bool {
	if len(s) == 0 || len(s) > most {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
