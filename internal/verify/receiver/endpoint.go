package receiver

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Formats of bodies.
const (
	FormatCloudEvents = "cloudevents"
	FormatMeta        = "meta"
)

// Endpoint is what a receiver and a judge know of an endpoint.
type Endpoint struct {
	Name        string
	Path        string // of the URL
	Format      string
	Secrets     []string
	VerifyToken string

	Topics         []string // none: those of the default
	Types          []string
	WABAs, Numbers []string
	Historical     bool
	FromEnd        bool // it began at the end of the topics
	InFlight       int
}

// Endpoints reads an endpoints file, and the files of its secrets. It is less strict than the sink: other keys are not read.
func Endpoints(path string) ([]Endpoint, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Endpoints []struct {
			Name        string `yaml:"name"`
			URL         string `yaml:"url"`
			Format      string `yaml:"format"`
			VerifyToken string `yaml:"verify_token"`
			Secrets     []struct {
				Value     string `yaml:"value"`
				ValueFile string `yaml:"value_file"`
			} `yaml:"secrets"`
			Topics     []string `yaml:"topics"`
			Types      []string `yaml:"types"`
			WABAs      []string `yaml:"wabas"`
			Numbers    []string `yaml:"numbers"`
			Historical bool     `yaml:"historical"`
			Start      string   `yaml:"start"`
			InFlight   int      `yaml:"in_flight"`
		} `yaml:"endpoints"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("%s is no endpoints file", path) // the error of the decoder can show a secret
	}
	var all []Endpoint
	for _, f := range file.Endpoints {
		u, err := url.Parse(f.URL)
		if err != nil {
			return nil, fmt.Errorf("%s: the URL of the endpoint %q cannot be read", path, f.Name)
		}
		e := Endpoint{
			Name: f.Name, Path: "/" + strings.TrimPrefix(u.Path, "/"), Format: f.Format, VerifyToken: f.VerifyToken, Topics: f.Topics, Types: f.Types, WABAs: f.WABAs,
			Numbers: f.Numbers, Historical: f.Historical, FromEnd: f.Start != "beginning", InFlight: f.InFlight,
		}
		if e.Format == "" {
			e.Format = FormatCloudEvents
		}
		if e.InFlight == 0 {
			e.InFlight = inFlightDefault
		}
		for _, s := range f.Secrets {
			if s.ValueFile != "" {
				b, err := os.ReadFile(s.ValueFile)
				if err != nil {
					return nil, fmt.Errorf("endpoint %q: %w", f.Name, err)
				}
				s.Value = strings.TrimSpace(string(b))
			}
			e.Secrets = append(e.Secrets, s.Value)
		}
		if slices.ContainsFunc(all, func(o Endpoint) bool { return o.Path == e.Path }) {
			return nil, fmt.Errorf("%s: two endpoints have the path %s", path, e.Path)
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no endpoint", path)
	}
	return all, nil
}

const inFlightDefault = 32
