package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Formats of bodies.
const (
	FormatCloudEvents = "cloudevents"
	FormatMeta        = "meta"
)

// Answers to records that the topics no longer hold.
const (
	MissingStop     = "stop"
	MissingContinue = "continue"
)

// Starts of an endpoint without committed offsets.
const (
	StartEnd       = "end"
	StartBeginning = "beginning"
)

// Endpoint is one receiver, as its file describes it.
type Endpoint struct {
	Name    string   `yaml:"name"`
	URL     string   `yaml:"url"`
	Format  string   `yaml:"format"`
	Enabled bool     `yaml:"enabled"`
	Secrets []Secret `yaml:"secrets"`

	Topics     []string `yaml:"topics"`
	Types      []string `yaml:"types"`
	WABAs      []string `yaml:"wabas"`
	Numbers    []string `yaml:"numbers"`
	Historical bool     `yaml:"historical"`
	AssetLinks duration `yaml:"asset_links"` // time until a link to a stored asset ends; 0: events have no links

	Start       string   `yaml:"start"`
	Missing     string   `yaml:"missing"`
	InFlight    int      `yaml:"in_flight"`
	Rate        float64  `yaml:"rate"` // requests per second; 0: no limit
	Timeout     duration `yaml:"timeout"`
	AttemptsMax int      `yaml:"attempts_max"`
	EventsMax   int      `yaml:"events_max"`
	BytesMax    int      `yaml:"body_bytes_max"`

	VerifyToken  string   `yaml:"verify_token"` // of Meta's GET verification, for ping
	Allow        []string `yaml:"allow"`        // networks beyond the public ones
	InsecureHTTP bool     `yaml:"insecure_http"`
	TLS          TLS      `yaml:"tls"`

	links    Links
	topics   map[schemas.Topic]bool
	prefixes []netip.Prefix
	secure   *tls.Config
	sum      string // of the description and the files that it names
}

// Secret signs bodies. An endpoint has several while they rotate.
type Secret struct {
	ID        string `yaml:"id"`
	Value     string `yaml:"value"`
	ValueFile string `yaml:"value_file"`
}

// TLS is how the endpoint is authenticated, and how it authenticates this process.
type TLS struct {
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// duration is read from text such as 10s.
type duration time.Duration

// UnmarshalYAML is as yaml.Unmarshaler has it.
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as 10s", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}

// File is a file that an endpoint names.
type File struct{ Key, Path string }

// Endpoints is the content of an endpoints file.
type Endpoints []*Endpoint

// topicsByDefault are those of an endpoint that names none. Those of the past come with `historical`.
var topicsByDefault = []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicContacts, schemas.TopicAccount, schemas.TopicOther}

// Parse reads an endpoints file. Its error lists all that is wrong, and shows no secret.
func Parse(content []byte) (Endpoints, error) {
	var file struct {
		Endpoints []yaml.Node `yaml:"endpoints"`
	}
	d := yaml.NewDecoder(strings.NewReader(string(content)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, withoutValues(err)
	}
	var all Endpoints
	var errs []error
	names := map[string]bool{}
	for i := range file.Endpoints {
		at := fmt.Sprintf("endpoints[%d]", i)
		e := &Endpoint{
			Format: FormatCloudEvents, Enabled: true, Start: StartEnd, Missing: MissingStop, InFlight: 32, Timeout: duration(10 * time.Second), AttemptsMax: 5, EventsMax: 1,
		}
		text, err := yaml.Marshal(&file.Endpoints[i])
		if err != nil {
			return nil, withoutValues(err)
		}
		d := yaml.NewDecoder(strings.NewReader(string(text)))
		d.KnownFields(true)
		if err := d.Decode(e); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, withoutValues(err)))
			continue
		}
		if names[e.Name] {
			errs = append(errs, invalid.Value(at+".name", e.Name, "a name that no other endpoint has"))
		}
		names[e.Name] = true
		e.sum = string(text)
		e.check(at, func(err error) { errs = append(errs, err) })
		all = append(all, e)
	}
	return all, errors.Join(errs...)
}

// quoted is a value in an error of the YAML decoder.
var quoted = regexp.MustCompile("`[^`]*`")

// withoutValues removes the values from an error of the YAML decoder: they may be secrets.
func withoutValues(err error) error {
	return errors.New(quoted.ReplaceAllString(err.Error(), "(value)"))
}

var (
	namePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	bytesDefault = map[string]int{FormatCloudEvents: 20 << 10, FormatMeta: 3_000_000}
)

func (e *Endpoint) check(at string, fail func(error)) {
	bad := func(key string, value any, allowed string, args ...any) {
		fail(invalid.Value(at+"."+key, value, allowed, args...))
	}
	if !namePattern.MatchString(e.Name) {
		bad("name", e.Name, "1 to 63 lower-case letters, digits and dashes")
	}
	if e.Format != FormatCloudEvents && e.Format != FormatMeta {
		bad("format", e.Format, "one of %s, %s", FormatCloudEvents, FormatMeta)
	}
	if e.Start != StartEnd && e.Start != StartBeginning {
		bad("start", e.Start, "one of %s, %s", StartEnd, StartBeginning)
	}
	if e.Missing != MissingStop && e.Missing != MissingContinue {
		bad("missing", e.Missing, "one of %s, %s", MissingStop, MissingContinue)
	}
	e.checkURL(bad)
	e.checkFilter(bad)
	for _, n := range []struct {
		key              string
		value, low, high int
	}{
		{"in_flight", e.InFlight, 1, 1000}, {"attempts_max", e.AttemptsMax, 1, 100}, {"events_max", e.EventsMax, 1, 1000},
	} {
		if n.value < n.low || n.value > n.high {
			bad(n.key, n.value, "a whole number, %d to %d", n.low, n.high)
		}
	}
	if e.EventsMax > 1 && e.Format != FormatMeta {
		bad("events_max", e.EventsMax, "1: a CloudEvent in structured mode has one event; %s has several", FormatMeta)
	}
	if e.BytesMax == 0 {
		e.BytesMax = bytesDefault[e.Format]
	}
	if e.BytesMax < 1<<10 || e.BytesMax > 64<<20 {
		bad("body_bytes_max", e.BytesMax, "a number of bytes, 1024 to 67108864")
	}
	if t := time.Duration(e.Timeout); t < 100*time.Millisecond || t > 30*time.Second {
		bad("timeout", t, "100ms to 30s")
	}
	if e.Rate < 0 || e.Rate > 1e6 {
		bad("rate", e.Rate, "requests per second, up to 1000000; 0: no limit")
	}
	e.checkSecrets(at, fail)
	for i, text := range e.Allow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			bad(fmt.Sprintf("allow[%d]", i), text, "a network such as 10.1.2.0/24 or fd00::/8")
			continue
		}
		e.prefixes = append(e.prefixes, p.Masked())
	}
	if (e.TLS.CertFile == "") != (e.TLS.KeyFile == "") {
		bad("tls.cert_file", e.TLS.CertFile, "set together with tls.key_file, or neither")
	}
}

func (e *Endpoint) checkURL(bad func(string, any, string, ...any)) {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http":
		bad("url", invalid.Secret, "a URL such as https://crm.example.com/webhooks")
	case u.User != nil || u.Fragment != "":
		bad("url", invalid.Secret, "a URL without a user and without a fragment")
	case u.Scheme == "http" && !e.InsecureHTTP:
		bad("url", invalid.Secret, "https; http needs insecure_http: true, and anybody on the way reads the events")
	}
}

func (e *Endpoint) checkFilter(bad func(string, any, string, ...any)) {
	e.topics = map[schemas.Topic]bool{}
	for i, name := range e.Topics {
		topic, ok := schemas.ParseTopic(name)
		switch {
		case !ok || !slices.Contains(sinks.TableTopics(), topic):
			bad(fmt.Sprintf("topics[%d]", i), name, "one of %s", topicNames())
		case sinks.Backlog(topic) && !e.Historical:
			bad(fmt.Sprintf("topics[%d]", i), name, "a topic without history, or historical: true")
		case (topic == schemas.TopicSyncs || topic == schemas.TopicAssets) && e.Format == FormatMeta:
			bad(fmt.Sprintf("topics[%d]", i), name, "a topic whose events Meta sends; syncs and assets have none")
		}
		e.topics[topic] = ok
	}
	if len(e.Topics) == 0 {
		for _, topic := range topicsByDefault {
			e.topics[topic] = true
		}
		e.topics[schemas.TopicSyncs] = e.Format == FormatCloudEvents
		e.topics[schemas.TopicHistory], e.topics[schemas.TopicMedia] = e.Historical, e.Historical
	}
	if d := time.Duration(e.AssetLinks); d != 0 {
		switch {
		case d < time.Second || d > linkLifeMax:
			bad("asset_links", d, "1s to %s, the time until a link ends; without the key, events have no links", linkLifeMax)
		case !e.topics[schemas.TopicAssets]:
			bad("asset_links", d, "topics with assets: the links are in its events")
		}
	}
	for i, t := range e.Types {
		if !slices.Contains(typeNames(), t) {
			bad(fmt.Sprintf("types[%d]", i), t, "one of %s", strings.Join(typeNames(), ", "))
		}
	}
	for _, list := range []struct {
		key    string
		values []string
	}{{"wabas", e.WABAs}, {"numbers", e.Numbers}} {
		if slices.Contains(list.values, "") {
			bad(list.key, "", "ids")
		}
	}
}

func typeNames() []string {
	var names []string
	for _, t := range schemas.EventTypes() {
		if slices.Contains(sinks.TableTopics(), t.Topic) {
			names = append(names, t.Type)
		}
	}
	return names
}

func topicNames() string {
	var names []string
	for _, t := range sinks.TableTopics() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

func (e *Endpoint) checkSecrets(at string, fail func(error)) {
	if len(e.Secrets) == 0 {
		fail(invalid.Value(at+".secrets", invalid.Text("none"), "at least one {id, value} or {id, value_file}"))
	}
	ids := map[string]bool{}
	for i, s := range e.Secrets {
		here := fmt.Sprintf("%s.secrets[%d]", at, i)
		if s.ID == "" || ids[s.ID] {
			fail(invalid.Value(here+".id", s.ID, "a name that no other secret of the endpoint has"))
		}
		ids[s.ID] = true
		if (s.Value == "") == (s.ValueFile == "") {
			fail(invalid.Value(here, invalid.Secret, "value or value_file"))
		} else if s.Value != "" {
			e.checkSecret(here+".value", s.Value, fail)
		}
	}
}

// secretBytesMin is the least length of a key.
const secretBytesMin = 24

func (e *Endpoint) checkSecret(key, value string, fail func(error)) {
	if e.Format == FormatMeta {
		if len(value) < 16 {
			fail(invalid.Value(key, invalid.Secret, "at least 16 characters; `openssl rand -hex 16` makes such a secret"))
		}
		return
	}
	b, err := keyOf(value)
	if err != nil || len(b) < secretBytesMin {
		fail(invalid.Value(key, invalid.Secret, "whsec_ and the base64 of at least %d bytes; `echo whsec_$(openssl rand -base64 32)` makes such a secret", secretBytesMin))
		return
	}
	if _, err := standardwebhooks.NewWebhook(value); err != nil {
		fail(invalid.Value(key, invalid.Secret, "a secret of Standard Webhooks"))
	}
}

// Files are those that the endpoints name, in an order that Load knows.
func (es Endpoints) Files() []File {
	var files []File
	for i, e := range es {
		at := fmt.Sprintf("endpoints[%d]", i)
		for j, s := range e.Secrets {
			if s.ValueFile != "" {
				files = append(files, File{fmt.Sprintf("%s.secrets[%d].value_file", at, j), s.ValueFile})
			}
		}
		for _, f := range []File{{at + ".tls.ca_file", e.TLS.CAFile}, {at + ".tls.cert_file", e.TLS.CertFile}, {at + ".tls.key_file", e.TLS.KeyFile}} {
			if f.Path != "" {
				files = append(files, f)
			}
		}
	}
	return files
}

// Load takes the contents of Files.
func (es Endpoints) Load(contents [][]byte) error {
	var errs []error
	next := func() []byte {
		c := contents[0]
		contents = contents[1:]
		return c
	}
	for i, e := range es {
		at := fmt.Sprintf("endpoints[%d]", i)
		for j := range e.Secrets {
			if s := &e.Secrets[j]; s.ValueFile != "" {
				s.Value = strings.TrimRight(string(next()), "\r\n")
				e.sum += "\x00" + s.Value
				e.checkSecret(fmt.Sprintf("%s.secrets[%d].value_file", at, j), s.Value, func(err error) { errs = append(errs, err) })
			}
		}
		e.secure = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.TLS.ServerName}
		if e.TLS.CAFile != "" {
			ca := next()
			e.sum += "\x00" + string(ca)
			e.secure.RootCAs = x509.NewCertPool()
			if !e.secure.RootCAs.AppendCertsFromPEM(ca) {
				errs = append(errs, invalid.Value(at+".tls.ca_file", e.TLS.CAFile, "a PEM file with certificates of authorities"))
			}
		}
		if e.TLS.CertFile != "" {
			cert, key := next(), next()
			e.sum += "\x00" + string(cert) + "\x00" + string(key)
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s.tls.cert_file %s and key_file %s: %w", at, e.TLS.CertFile, e.TLS.KeyFile, err))
				continue
			}
			e.secure.Certificates = []tls.Certificate{pair}
		}
	}
	return errors.Join(errs...)
}
