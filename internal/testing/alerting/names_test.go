package alerting

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// foreign are metrics that other programs or rules write, and those of the Go client library, with their labels.
var foreign = map[string][]string{
	"coexstream_expected_replicas": {"role"}, "node_filesystem_avail_bytes": {"mountpoint"},
	"process_start_time_seconds": nil, "process_resident_memory_bytes": nil, "process_open_fds": nil, "process_max_fds": nil,
}

// ofScrapes are the labels that Prometheus adds, and that of the buckets of histograms.
var ofScrapes = []string{"namespace", "installation", "instance", "le", "__name__"}

// documented returns the labels of each metric of docs/metrics.md, which a test of internal/app holds to the registered metrics.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(docs + "metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\| ([a-z_, ]*) \\|").FindAllStringSubmatch(string(b), -1) {
		var l []string
		if m[3] != "" {
			l = strings.Split(m[3], ", ")
		}
		names := []string{m[1]}
		if m[2] == "histogram" {
			names = []string{m[1] + "_bucket", m[1] + "_sum", m[1] + "_count"}
		}
		for _, name := range names {
			all[name] = l
		}
	}
	if len(all) < 100 {
		t.Fatalf("docs/metrics.md has %d metrics", len(all))
	}
	for name, l := range foreign {
		all[name] = l
	}
	return all
}

// unknown returns the names in an expression that no metric has: metrics, labels of matchers, and labels of aggregations.
func unknown(t *testing.T, expr string, known map[string][]string) (all []string) {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	has := func(name, label string) bool {
		return slices.Contains(ofScrapes, label) || slices.Contains(known[name], label)
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			if _, ok := known[n.Name]; !ok {
				all = append(all, n.Name)
				return nil
			}
			for _, m := range n.LabelMatchers {
				if !has(n.Name, m.Name) {
					all = append(all, n.Name+"{"+m.Name+"}")
				}
			}
		case *parser.AggregateExpr:
			parser.Inspect(n.Expr, func(below parser.Node, _ []parser.Node) error {
				if v, ok := below.(*parser.VectorSelector); ok {
					for _, label := range n.Grouping {
						if !has(v.Name, label) {
							all = append(all, v.Name+" by "+label)
						}
					}
				}
				return nil
			})
		}
		return nil
	})
	return all
}

func TestRulesNameMetricsAndLabelsOfTheProduct(t *testing.T) {
	known := documented(t)
	groups := append(read[ruleFile](t, docs+"alerts.yaml").Groups, read[ruleFile](t, docs+"slo-rules.yaml").Groups...)
	for _, g := range groups {
		for _, r := range g.Rules {
			if strings.HasPrefix(r.Record, "slo:") {
				known[r.Record] = []string{"sloth_id", "sloth_service", "sloth_slo", "sloth_window"}
			} else if r.Record != "" {
				known[r.Record] = nil
			}
		}
	}
	for _, g := range groups {
		for _, r := range g.Rules {
			if got := unknown(t, r.Expr, known); len(got) > 0 {
				t.Errorf("%s%s names %v, which docs/metrics.md has not", r.Alert, r.Record, got)
			}
		}
	}
	// The check can fail.
	for expr, want := range map[string]string{
		"coexstream_spool_bites": "coexstream_spool_bites", `coexstream_spool_bytes{tropic="a"}`: "coexstream_spool_bytes{tropic}",
		"sum by (namespace, installation, tropic) (rate(coexstream_spool_bytes[5m]))": "coexstream_spool_bytes by tropic",
	} {
		if got := unknown(t, expr, known); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: unknown %v, want %s", expr, got, want)
		}
	}
}
