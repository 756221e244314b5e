package main

import (
	"context"
	"encoding/xml"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// linked are the modules of this program, and so of what it runs, whose versions a reader of the results has to know.
var linked = []string{
	"github.com/valyala/fasthttp", "github.com/segmentio/kafka-go", "github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kfake",
	"github.com/go-json-experiment/json",
}

// versions are those of all that takes part, as far as it is pinned in this folder or found on this machine.
func versions(ctx context.Context) map[string]string {
	all := map[string]string{"go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains(linked, d.Path) {
				all[d.Path] = d.Version
			}
		}
	}
	add := func(name, version string) {
		if version != "" {
			all[name] = version
		}
	}
	add("Apache Kafka", mavenVersion("internal/testing/kafkacluster/pom.xml", "kafka_2.13"))
	add("Kafka Streams", mavenVersion("bench/peers/streams/pom.xml", "kafka-streams"))
	java, _, _ := strings.Cut(output(ctx, "java", "--version"), "\n")
	add("Java", java)
	add("OpenTelemetry collector", moduleVersion(ctx, "bench/peers/otelcol", "go.opentelemetry.io/collector/otelcol"))
	add("Benthos", moduleVersion(ctx, "bench/peers/benthos", "github.com/benthosdev/benthos/v4"))
	return all
}

// mavenVersion is the version of a dependency in a pom.xml; empty where there is none.
func mavenVersion(path, artifact string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var pom struct {
		Dependencies []struct {
			Artifact string `xml:"artifactId"`
			Version  string `xml:"version"`
		} `xml:"dependencies>dependency"`
	}
	if xml.Unmarshal(b, &pom) != nil {
		return ""
	}
	for _, d := range pom.Dependencies {
		if d.Artifact == artifact {
			return d.Version
		}
	}
	return ""
}

// moduleVersion is the version of a module that a peer's own module requires; empty where there is none.
func moduleVersion(ctx context.Context, folder, module string) string {
	return output(ctx, "go", "-C", folder, "list", "-m", "-f", "{{.Version}}", module)
}
