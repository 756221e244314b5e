package alerting

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v2"
)

const sloth = "github.com/slok/sloth/cmd/sloth@v0.16.0"

// `make slos` writes docs/slo-rules.yaml.
func TestRulesOfTheObjectivesAreThoseOfSloth(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "rules.yaml")
	if msg, err := exec.CommandContext(t.Context(), "go", "run", sloth, "generate", "--no-log", "-i", docs+"slos.yaml", "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if have, err := os.ReadFile(docs + "slo-rules.yaml"); err != nil || !bytes.Equal(have, want) {
		t.Errorf("docs/slo-rules.yaml is not that of docs/slos.yaml: run make slos (%v)", err)
	}
}

// The alerts of the objectives need rules over recorded series, so this test loads samples minute by minute.
func TestErrorBudgetsOfInstallations(t *testing.T) {
	t.Parallel()
	// The recording rule that slos.yaml uses.
	var inputs []any
	for _, g := range read[ruleFile](t, docs+"alerts.yaml").Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				inputs = append(inputs, map[string]any{"record": r.Record, "expr": r.Expr})
			}
		}
	}
	b, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "a-input", "rules": inputs}}})
	if err != nil || len(inputs) != 1 {
		t.Fatalf("%d recording rules, %v", len(inputs), err)
	}
	input := filepath.Join(t.TempDir(), "input.yaml")
	if err := os.WriteFile(input, b, 0o600); err != nil {
		t.Fatal(err)
	}
	requests := func(installation, code, values string) string {
		return `  coexstream_ingress_requests_total{namespace="` + installation + `", installation="` + installation + `.coex", instance="i", source="meta", code="` + code + `"} ` + values + "\n"
	}
	lag := func(installation, values string) string {
		return `  coexstream_processor_lag_seconds{namespace="` + installation + `", installation="` + installation + `.coex", instance="i", topic="raw.live", partition="0"} ` + values + "\n"
	}
	const healthy = 60 // minutes
	load := "load 1m\n" +
		requests("shop", "200", "0+100x60 6000+90x60") + requests("shop", "503", "0x60 0+10x60") + lag("shop", "0x60 30x60") +
		requests("other", "200", "0+100x120") + requests("other", "503", "0x120") + requests("other", "401", "0+100x120") + lag("other", "0x20 30 0x100") +
		requests("new", "200", "_x60 5000+90x60") + requests("new", "503", "_x60 700+10x60") + lag("new", "_x60 30x60")
	suite, err := promqltest.NewLazyLoader(load, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	suite.SubqueryInterval = time.Minute
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()), AppendableV2: suite.Storage(), Context: t.Context(), Logger: promslog.NewNopLogger(),
		Parser: parser.NewParser(parser.Options{}), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	loaded, errs := m.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, input, docs+"slo-rules.yaml")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var groups []*rules.Group
	for _, g := range loaded {
		groups = append(groups, g)
	}
	order := func(g *rules.Group) string { // the input, then the recordings, then the alerts
		return strings.NewReplacer("sloth-slo-alerts", "z").Replace(g.Name())
	}
	slices.SortFunc(groups, func(a, b *rules.Group) int { return strings.Compare(order(a), order(b)) })
	firing := func() (all []string) {
		for _, g := range groups {
			for _, r := range g.Rules() {
				if a, ok := r.(*rules.AlertingRule); ok {
					for _, active := range a.ActiveAlerts() {
						all = append(all, strings.Join([]string{a.Name(), active.Labels.Get("severity"), active.Labels.Get("installation")}, " "))
					}
				}
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	for minute := 0; minute <= 2*healthy-1; minute++ {
		at := time.Unix(0, 0).Add(time.Duration(minute) * time.Minute)
		suite.WithSamplesTill(at, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				g.Eval(t.Context(), at)
				for _, r := range g.Rules() {
					if err := r.LastError(); err != nil {
						t.Fatalf("%s at %s: %v", r.Name(), at, err)
					}
				}
			}
		})
		if minute == healthy {
			if got := firing(); len(got) > 0 {
				t.Errorf("before the fault fire %v", got)
			}
		}
	}
	want := []string{
		"CoexstreamLiveLatencyErrorBudget page new.coex", "CoexstreamLiveLatencyErrorBudget page shop.coex",
		"CoexstreamWebhooksErrorBudget page new.coex", "CoexstreamWebhooksErrorBudget page shop.coex",
	}
	got := slices.DeleteFunc(firing(), func(s string) bool { return strings.Contains(s, "ticket") })
	if !slices.Equal(got, want) {
		t.Errorf("fire\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
