package app

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

const (
	operations = "../../docs/operations.md"
	alerts     = "../../docs/alerts.yaml"

	metricsDocument = "../../docs/metrics.md"
)

type metric struct{ name, kind, labels, help string }

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "(.*)", unit: "[^"]*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// registered are the metrics of the product that an ingress and a processor register.
func registered(t *testing.T) []metric {
	t.Helper()
	t.Chdir(t.TempDir())
	cfg, err := config.Load(config.Input{Flags: map[string]string{
		"admin.listen": "127.0.0.1:0", "ingress.listen": "127.0.0.1:0", "kafka.brokers": "127.0.0.1:1", "processor.instance_id": "test",
	}, Environ: []string{`COEXSTREAM_INGRESS_SOURCES=[{"name": "m", "secrets": [{"id": "a", "value": "secret"}]}]`}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connectionOf(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.parts.stop(30 * time.Second); err != nil {
			t.Error(err)
		}
	}()
	if _, err := s.startIngress(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := s.startProcessor(conn); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.startReadModel(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := s.startDesk(conn, nil, nil); err != nil {
		t.Fatal(err)
	}
	cfg.Sink.Archive.Enabled, cfg.Sink.Archive.URL = true, "file://"+t.TempDir()
	if err := s.startArchive(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	cfg.Sink.Media.Enabled = true
	if err := s.startMedia(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := embedded.NewMetrics(cfg.DataDir).Register(s.metrics); err != nil {
		t.Fatal(err)
	}
	cfg.Sink.Webhook.EndpointsFile = "endpoints.yaml"
	if err := os.WriteFile(cfg.Sink.Webhook.EndpointsFile, []byte(oneEndpoint), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.startSinkWebhook(conn, s.health.Add); err != nil {
		t.Fatal(err)
	}
	if !registers(t, s.metrics, "coexstream_webhook_disabled") { // the sink starts its endpoint
		t.Fatal("the endpoint has no metrics")
	}
	kinds := map[string]string{}
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	kindOf := func(name string) string { // a vector without series is in no answer; all histograms begin with their series
		if kind := kinds[name]; kind != "" {
			return kind
		}
		if strings.HasSuffix(name, "_total") {
			return "counter"
		}
		return "gauge"
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		s.metrics.Describe(descs)
		close(descs)
	}()
	var all []metric
	constant := regexp.MustCompile(`(\w+)="[^"]*"`)
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		if !strings.HasPrefix(m[1], "coexstream_") {
			continue
		}
		var labels []string
		for _, c := range constant.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, c[1])
		}
		for _, l := range strings.Split(m[4], ",") {
			if l != "" {
				labels = append(labels, l)
			}
		}
		all = append(all, metric{m[1], kindOf(m[1]), strings.Join(labels, ", "), m[2]})
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	// The spools of the two topics register the same metrics.
	return slices.CompactFunc(all, func(a, b metric) bool { return a == b })
}

// registers waits until a metric is there.
func registers(t *testing.T, reg *prometheus.Registry, name string) bool {
	t.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; runtime.Gosched() {
		found, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.GetName() == name {
				return true
			}
		}
	}
	return false
}

// metricsHead is the text of docs/metrics.md above its table.
const metricsHead = `# Metrics

All metrics of the product, made of the code by ` + "`go test ./internal/app -run Metrics -update`" + `. ` + "`/metrics`" + ` of the admin listener has those of the
parts that run, and those of the Go runtime (` + "`go_`" + `) and the process (` + "`process_`" + `). The [alerts](alerts.yaml) are explained in
[operations.md](operations.md). A histogram has the series ` + "`_bucket`, `_sum` and `_count`" + `.

| metric | type | labels | meaning | alerts |
| --- | --- | --- | --- | --- |
`

func TestMetricsDocumentIsThatOfTheCode(t *testing.T) {
	path, err := filepath.Abs(metricsDocument)
	if err != nil {
		t.Fatal(err)
	}
	rules := alertsOf(t)
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, m := range registered(t) {
		var by []string
		for _, r := range rules {
			if regexp.MustCompile(`\b`+m.name+`(_bucket|_sum|_count)?\b`).MatchString(r.Expr) && r.Alert != "" {
				by = append(by, r.Alert)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.name, m.kind, m.labels, m.help, strings.Join(by, ", "))
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != b.String() {
		t.Errorf("docs/metrics.md is not that of the code: run go test ./internal/app -run Metrics -update (%v)", err)
	}
}

// Names follow https://prometheus.io/docs/practices/naming/.
func TestMetricNamesFollowTheConventions(t *testing.T) {
	unit := regexp.MustCompile(`_(total|seconds|bytes|info|records|ratio|connections|partitions|tasks|chunks|syncs|gaps|numbers|businesses|paused|segments|writable|bytes_max|stale|events|failing|disabled|offsets|batches|assets)$`)
	for _, m := range registered(t) {
		if !unit.MatchString(m.name) || strings.Contains(m.name, "__") || m.name != strings.ToLower(m.name) {
			t.Errorf("%s does not end in a unit or in what it counts", m.name)
		}
		if !strings.HasSuffix(m.help, ".") || strings.Contains(m.help, "|") {
			t.Errorf("%s: help %q", m.name, m.help)
		}
	}
}

func TestDocumentsNameOnlyMetricsThatAreThere(t *testing.T) {
	var docs []string
	for _, path := range []string{operations, alerts, "../../docs/deployment.md"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, path, string(b))
	}
	known := map[string]bool{"coexstream_expected_replicas": true} // a recording rule of the chart
	for _, m := range registered(t) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			known[m.name+suffix] = true
		}
	}
	name := regexp.MustCompile(`\bcoexstream_[a-z_]+`)
	for i := 0; i < len(docs); i += 2 {
		found := name.FindAllString(docs[i+1], -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", docs[i], len(found))
		}
		for _, n := range found {
			if !known[n] {
				t.Errorf("%s names %s, which nobody registers", docs[i], n)
			}
		}
	}
}

type alertRule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

// alertsOf returns the rules of docs/alerts.yaml.
func alertsOf(t *testing.T) (all []alertRule) {
	t.Helper()
	b, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []alertRule } }
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// Each alert says what it means in a section of docs/operations.md.
func TestAlertsPointToTheirSections(t *testing.T) {
	rules := alertsOf(t)
	doc, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	drop := regexp.MustCompile(`[^a-z0-9 -]`)
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(doc), -1) {
		anchors[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	seen := map[string]bool{}
	for _, r := range rules {
		if r.Record != "" {
			continue
		}
		_, anchor, ok := strings.Cut(r.Annotations["runbook_url"], "docs/operations.md#")
		if !ok || !anchors[anchor] {
			t.Errorf("%s: runbook_url %q is no section of docs/operations.md", r.Alert, r.Annotations["runbook_url"])
		}
		if s := r.Labels["severity"]; r.Alert == "" || r.Expr == "" || r.Annotations["summary"] == "" || s != "page" && s != "ticket" {
			t.Errorf("incomplete: %+v", r)
		}
		if seen[r.Alert] {
			t.Errorf("%s is there twice", r.Alert)
		}
		seen[r.Alert] = true
		if !strings.Contains(string(doc), "`"+r.Alert+"`") {
			t.Errorf("docs/operations.md does not name %s", r.Alert)
		}
		// A window takes what there is of it: after a minute it would say what it says of a day.
		if strings.Contains(r.Expr, "min_over_time(") && !strings.Contains(r.Expr, "count_over_time(") {
			t.Errorf("%s speaks of a time of which there may be no data; use for, or count_over_time: %s", r.Alert, r.Expr)
		}
		if m := regexp.MustCompile(`for (\d+) minutes`).FindStringSubmatch(r.Annotations["summary"]); m != nil && r.For != m[1]+"m" {
			t.Errorf("%s says %q, and fires after %q", r.Alert, m[0], r.For)
		}
		if strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") || strings.Count(r.Expr, "{") != strings.Count(r.Expr, "}") {
			t.Errorf("%s: %s", r.Alert, r.Expr)
		}
	}
	if len(seen) < 15 {
		t.Errorf("%d alerts", len(seen))
	}
}
