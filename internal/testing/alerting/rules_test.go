package alerting

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/teststorage"
	"go.yaml.in/yaml/v2"
)

const docs = "../../../docs/"

// Each alert has these cases: the fault begins after a healthy time; nothing is wrong; and the fault is older than the first scrape.
var kinds = []string{"fires", "silent", "start"}

// scenario is a case of testdata/alerts.yaml.
type scenario struct {
	Series   []string       // as in promtool's tests; namespace and installation are added
	Interval model.Duration // of the samples; 1m without it
	At       model.Duration // when the alerts are looked at
	Alerts   []string       // labels besides namespace, installation and severity, such as {topic="raw.live"}
	Before   model.Duration // a time at which nothing fires yet; 0: not looked at
}

func read[T any](t *testing.T, path string) (v T) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(b, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

type rule struct {
	Alert, Record, Expr, For string
	Labels                   map[string]string
	Annotations              map[string]string
}

type ruleFile struct {
	Groups []struct {
		Name, Interval string
		Rules          []rule
	}
}

func alertRules(t *testing.T) map[string]rule {
	t.Helper()
	all := map[string]rule{}
	for _, g := range read[ruleFile](t, docs+"alerts.yaml").Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				all[r.Alert] = r
			}
		}
	}
	return all
}

func TestEachAlertHasEachKindOfCase(t *testing.T) {
	cases, all := read[map[string]map[string]scenario](t, "testdata/alerts.yaml"), alertRules(t)
	for name := range all {
		for _, kind := range kinds {
			if s, ok := cases[name][kind]; !ok || (len(s.Alerts) == 0) != (kind == "silent") {
				t.Errorf("testdata/alerts.yaml: %s has no case %q with (or for silent: without) alerts", name, kind)
			}
		}
	}
	for name := range cases {
		if _, ok := all[name]; !ok {
			t.Errorf("testdata/alerts.yaml has cases of %s, which is no alert", name)
		}
	}
	if len(all) < 50 {
		t.Errorf("%d alerts", len(all))
	}
}

// series returns the series of a scenario in an installation. Metrics of other programs have no installation.
func (s *scenario) series(installation string) string {
	var b strings.Builder
	for _, one := range s.Series {
		name, rest, labelled := strings.Cut(one, "{")
		if !labelled {
			name, rest, _ = strings.Cut(one, " ")
			rest = "} " + rest
		}
		if !strings.HasPrefix(name, "node_") {
			if name = fmt.Sprintf(`%s{namespace="%s", installation="%s.coex"`, name, installation, installation); !strings.HasPrefix(rest, "}") {
				name += ", "
			}
		} else {
			name += "{"
		}
		fmt.Fprintf(&b, "  %s%s\n", name, rest)
	}
	return b.String()
}

// want returns the labels of the expected alerts.
func (s *scenario) want(r *rule, installation string) (all []string) {
	for _, a := range s.Alerts {
		l, err := parser.NewParser(parser.Options{}).ParseMetric(a)
		if err != nil {
			panic(err)
		}
		b := labels.NewBuilder(l)
		b.Set("alertname", r.Alert)
		for k, v := range r.Labels {
			b.Set(k, v)
		}
		if !strings.Contains(r.Expr, "node_") && installation != "" {
			b.Set("namespace", installation)
			b.Set("installation", installation+".coex")
		}
		all = append(all, b.Labels().String())
	}
	slices.Sort(all)
	return all
}

// engine evaluates rules over loaded series.
type engine struct {
	manager *rules.Manager
	groups  []*rules.Group
}

func newEngine(t *testing.T, file, load string) *engine {
	t.Helper()
	store := promqltest.LoadedStorage(t, load)
	t.Cleanup(func() { _ = store.Close() })
	p := parser.NewParser(parser.Options{})
	query := promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{Logger: promslog.NewNopLogger(), MaxSamples: 50_000_000, Timeout: time.Minute,
		EnableNegativeOffset: true, EnableAtModifier: true, NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }})
	e := &engine{manager: rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(query, store), AppendableV2: teststorage.NewAppendable(), Context: t.Context(), Logger: promslog.NewNopLogger(), Parser: p,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})}
	groups, errs := e.manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	e.groups = slices.Collect(maps.Values(groups))
	slices.SortFunc(e.groups, func(a, b *rules.Group) int { return strings.Compare(a.Name(), b.Name()) })
	for _, g := range e.groups {
		for _, r := range g.Rules() {
			if a, ok := r.(*rules.AlertingRule); ok {
				a.SetRestored(true)
			}
		}
	}
	return e
}

// fired evaluates the rules at each minute of a time, and returns the labels of the alerts that fire at its end.
func (e *engine) fired(t *testing.T, from, to time.Duration) (all []string) {
	t.Helper()
	for at := from; at <= to; at += time.Minute {
		for _, g := range e.groups {
			g.Eval(t.Context(), time.Unix(0, 0).Add(at))
			for _, r := range g.Rules() {
				if err := r.LastError(); err != nil {
					t.Fatalf("%s at %s: %v", r.Name(), at, err)
				}
			}
		}
	}
	for _, g := range e.groups {
		for _, r := range g.Rules() {
			a, ok := r.(*rules.AlertingRule)
			if !ok {
				continue
			}
			for _, active := range a.ActiveAlerts() {
				if active.State != rules.StateFiring {
					continue
				}
				all = append(all, active.Labels.String())
				for _, bad := range []string{"<no value>", "error ", "NaN", "  ", "%!"} {
					if s := active.Annotations.Get("summary"); strings.Contains(s, bad) || s == "" || strings.HasPrefix(s, " ") || strings.HasPrefix(s, ":") {
						t.Errorf("%s has the summary %q", a.Name(), s)
					}
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// only writes a file with one alert.
func only(t *testing.T, r *rule) string {
	t.Helper()
	b, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "one", "rules": []any{map[string]any{
		"alert": r.Alert, "expr": r.Expr, "for": cmp.Or(r.For, "0s"), "labels": r.Labels, "annotations": r.Annotations,
	}}}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A healthy installation stands beside a faulty one: its series are those of the silent case.
func TestAlertsFireForTheInstallationWithTheFault(t *testing.T) {
	cases := read[map[string]map[string]scenario](t, "testdata/alerts.yaml")
	for name, r := range alertRules(t) {
		for kind, s := range cases[name] {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				installation, load := "shop", s.series("shop")
				if strings.HasPrefix(kind, "without_labels") { // there is one installation only
					installation, load = "", strings.Join(s.Series, "\n  ")
					load = "  " + load
				} else if healthy := cases[name]["silent"]; kind != "silent" && healthy.Interval == s.Interval && !strings.Contains(r.Expr, "node_") {
					load += healthy.series("other")
				}
				interval := max(s.Interval, model.Duration(time.Minute))
				e := newEngine(t, only(t, &r), fmt.Sprintf("load %s\n%s", interval, load))
				wait, err := model.ParseDuration(cmp.Or(r.For, "0s"))
				if err != nil {
					t.Fatal(err)
				}
				room := time.Duration(wait) + 2*time.Minute
				if s.Before > 0 {
					if got := e.fired(t, max(0, time.Duration(s.Before)-room), time.Duration(s.Before)); len(got) > 0 {
						t.Errorf("fires early, at %s: %v", s.Before, got)
					}
				}
				from := max(0, time.Duration(s.At)-room)
				if got, want := e.fired(t, from, time.Duration(s.At)), s.want(&r, installation); !slices.Equal(got, want) {
					t.Errorf("at %s fires\n%s\nwant\n%s", s.At, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			})
		}
	}
}

// Each rule keeps installations apart.
func TestAggregationsKeepInstallations(t *testing.T) {
	grouped := regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	for _, g := range read[ruleFile](t, docs+"alerts.yaml").Groups {
		for _, r := range g.Rules {
			if regexp.MustCompile(`\b(sum|max|min|count|avg|group) ?\(`).MatchString(regexp.MustCompile(`\w+_over_time\(`).ReplaceAllString(r.Expr, "")) {
				t.Errorf("%s aggregates without by: %s", r.Alert, r.Expr)
			}
			for _, m := range grouped.FindAllStringSubmatch(r.Expr, -1) {
				if m[1] != "" && !strings.HasPrefix(m[1], "namespace, installation") {
					t.Errorf("%s groups by (%s)", r.Alert, m[1])
				}
			}
		}
	}
}
