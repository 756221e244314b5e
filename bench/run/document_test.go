package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
)

func TestDocumentHasTheTablesOfItsResults(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, documentFile))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), documentBegin) || !strings.Contains(string(text), documentEnd) {
		t.Fatalf("the document has no place for results between %q and %q", documentBegin, documentEnd)
	}
	results := namedResults(string(text))
	if len(results) == 0 {
		t.Fatal("the document has no results; go run ./bench/run -document FILE writes them")
	}
	want, err := fillDocument(string(text), root, results)
	if err != nil {
		t.Fatal(err)
	}
	if want != string(text) {
		t.Errorf("the tables of the document are not those of %q; go run ./bench/run -document %s", results, strings.Join(results, ","))
	}
}

// The README repeats some figures of the tables.
func TestFiguresOfTheReadmeAreThoseOfTheTables(t *testing.T) {
	const root = "../.."
	document, err := os.ReadFile(filepath.Join(root, documentFile))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(document), documentBegin)
	tables, _, _ := strings.Cut(rest, documentEnd)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## How fast it is\n")
	section, _, _ = strings.Cut(section, "\n## ")
	figures := regexp.MustCompile(`\d[\d,]*[.,]\d+`).FindAllString(section, -1)
	if len(figures) < 3 {
		t.Fatalf("the README has the figures %q", figures)
	}
	for _, f := range figures {
		if !regexp.MustCompile(`[ |]` + regexp.QuoteMeta(f) + `[ |]`).MatchString(tables) {
			t.Errorf("%s of the README is in no table of %s", f, documentFile)
		}
	}
}

// reportOf is a run with two contestants and a goal.
func reportOf(rounds int, rates ...float64) *compare.Report {
	other := make([]float64, len(rates))
	for i := range other {
		other[i] = 100
	}
	o := compare.Outcome{
		Name: headlines()[0], Title: "small bodies", Rounds: rounds, Metrics: []compare.Metric{rateMetric}, Plot: rateMetric.Key,
		Standing: []compare.Standing{
			{Name: subjectName, OK: true, Figures: map[string]compare.Figure{rateMetric.Key: compare.NewFigure(rates)}},
			{Name: bareName, OK: true, Figures: map[string]compare.Figure{rateMetric.Key: compare.NewFigure(other)}},
			{Name: nginxName, Skip: "not installed"},
			{Name: franzGoName, Verdict: "FAILED"},
		},
	}
	r := &compare.Report{
		Started: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Commit: "abc1234", Command: "go run ./bench/run", Machine: compare.Machine{CPU: "a processor", Cores: 2},
		Versions: map[string]string{"go": "go1.26"}, Outcomes: []compare.Outcome{o},
	}
	r.Goals = compare.Judge((&options{}).goals(), r.Outcomes)
	return r
}

func TestDocumentIsFilledInFromResults(t *testing.T) {
	folder := t.TempDir()
	for name, r := range map[string]*compare.Report{
		"a.json": reportOf(5, 60, 66, 70, 66, 90), "few.json": reportOf(3, 60, 66, 70),
	} {
		if err := r.Write(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	document := filepath.Join(folder, documentFile)
	if err := os.Mkdir(filepath.Dir(document), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(document, []byte("before\n"+documentBegin+" -->\nold\n"+documentEnd+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeDocument(folder, []string{"few.json"}); err == nil || !strings.Contains(err.Error(), "has 3 rounds") {
		t.Errorf("medians of three: %v", err)
	}
	for range 2 { // the second time replaces the first
		if err := writeDocument(folder, []string{"a.json"}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n<!-- benchmark a.json -->\na processor, 2 cores",
		"| coexstream | 66.0 |  |\n",
		"| fasthttp, bare | 100 | 0.660 (0.600 to 0.900) |\n",
		"| net/http + franz-go ProduceSync | - |  |\n", // did not pass its check
		"\nNot measured:\n- nginx + lua-resty-kafka (not installed)\n",
		"| ingress, 1 KB, of bare fasthttp | >= 0.650 | 0.660 (0.600 to 0.900) | reached |",
		"$ go run ./bench/run   # 2026-03-01, abc1234, go1.26",
		"```\n<!-- /benchmark -->\nafter\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the document lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "\nold\n") || strings.Count(string(got), documentBegin) != 1 {
		t.Errorf("the old table is still there:\n%s", got)
	}
}

func TestResultsOfTwoMachinesAreNotMixed(t *testing.T) {
	a, b := reportOf(5, 1, 2, 3, 4, 5), reportOf(5, 1, 2, 3, 4, 5)
	b.Machine.Cores = 64
	if _, err := compare.Markdown(headlines(), a, b); err == nil {
		t.Error("they are told together")
	}
}
