package compare

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var speed = Metric{Key: "speed", Title: "speed", Unit: "req/s", More: true}

// scripted takes its values in turn.
func scripted(name string, order *[]string, values ...float64) Contestant {
	i := 0
	return Contestant{Name: name, Turn: func(context.Context) (Sample, error) {
		*order = append(*order, name)
		i++
		return Sample{OK: values[i-1] >= 0, Verdict: "seen", Values: map[string]float64{"speed": values[i-1]}}, nil
	}}
}

func quiet(int, string) {}

func TestContestantsTakeTurnsAndEachBeginsARound(t *testing.T) {
	var order []string
	m := Match{Name: "m", Metrics: []Metric{speed}, Contestants: []Contestant{
		scripted("a", &order, 1, 2, 3), scripted("b", &order, 1, 2, 3), {Name: "absent", Skip: "not installed"},
	}}
	o, err := Play(t.Context(), m, 3, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abbaab" {
		t.Errorf("turns were %s", got)
	}
	if o.Failed() {
		t.Error("one that is skipped has not failed")
	}
}

func TestContestantsKeepTheirOrderWhereItMatters(t *testing.T) {
	var order []string
	m := Match{Name: "m", Metrics: []Metric{speed}, InOrder: true, Contestants: []Contestant{
		scripted("a", &order, 1, 2, 3), scripted("b", &order, 1, 2, 3),
	}}
	if _, err := Play(t.Context(), m, 3, quiet); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "ababab" {
		t.Errorf("turns were %s", got)
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	var order []string
	m := Match{
		Name: "m", Metrics: []Metric{speed}, Pairs: []Pair{{"speed", "a", "b"}},
		// The machine got ten times slower in the second round, for both.
		Contestants: []Contestant{scripted("a", &order, 50, 5, 60), scripted("b", &order, 100, 10, 100)},
	}
	o, err := Play(t.Context(), m, 3, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if r := o.Ratios[0].Figure; r.Median != 0.5 || r.Min != 0.5 || r.Max != 0.6 {
		t.Errorf("ratio %+v", r)
	}
	if f := o.Standing[0].Figures["speed"]; f.Median != 50 || f.Min != 5 || f.Max != 60 {
		t.Errorf("figure %+v", f)
	}
}

func TestANumberWithoutAVerdictIsNotTold(t *testing.T) {
	var order []string
	m := Match{
		Name: "m", Title: "title", Metrics: []Metric{speed}, Pairs: []Pair{{"speed", "a", "b"}}, Plot: "speed",
		Contestants: []Contestant{scripted("a", &order, 777, 777, 777), scripted("b", &order, 888, -1, 888)},
	}
	o, err := Play(t.Context(), m, 3, quiet)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := o.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	r := Report{Outcomes: []Outcome{o}, Goals: Judge([]Goal{{Match: "m", Metric: "speed", Of: "a", To: "b", Bound: AtLeast}}, []Outcome{o})}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if all := table.String() + string(written); strings.Contains(all, "888") || !strings.Contains(all, "777") || !o.Failed() {
		t.Errorf("the number of one that did not pass is told, or that of one that did is not:\n%s", all)
	}
	if len(o.Ratios) != 0 || r.Goals[0].Measured != nil || r.Goals[0].Reached {
		t.Errorf("ratios %v, goals %+v", o.Ratios, r.Goals)
	}
}

func TestAnErrorEndsTheMatch(t *testing.T) {
	broken := errors.New("broken")
	m := Match{Name: "m", Contestants: []Contestant{{Name: "a", Turn: func(context.Context) (Sample, error) { return Sample{}, broken }}}}
	if _, err := Play(t.Context(), m, 2, quiet); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestTheMedianDecidesAGoal(t *testing.T) {
	outcomes := []Outcome{
		{Name: "m", Standing: []Standing{{Name: "a", OK: true, Figures: map[string]Figure{"speed": NewFigure([]float64{1, 9, 5, 4})}}}},
		{Name: "skipped", Skip: "no broker"},
	}
	for _, test := range []struct {
		goal    Goal
		reached bool
		why     string
	}{
		{Goal{Match: "m", Metric: "speed", Of: "a", Bound: AtLeast, Want: 4.5}, true, ""},
		{Goal{Match: "m", Metric: "speed", Of: "a", Bound: AtLeast, Want: 4.6}, false, ""},
		{Goal{Match: "m", Metric: "speed", Of: "a", Bound: AtMost, Want: 4.5}, true, ""},
		{Goal{Match: "m", Metric: "speed", Of: "a", Bound: AtMost, Want: 0}, false, ""},
		{Goal{Match: "m", Metric: "speed", Of: "nobody", Bound: AtMost, Want: 9}, false, "skipped"},
		{Goal{Match: "skipped", Bound: AtMost, Want: 9}, false, "no broker"},
		{Goal{Match: "other", Bound: AtMost, Want: 9}, false, "not in this run"},
		{Goal{Bound: AtMost, Want: 9}, false, "no benchmark"},
	} {
		r := Judge([]Goal{test.goal}, outcomes)[0]
		if r.Reached != test.reached || !strings.Contains(r.Why, test.why) || (r.Measured == nil) != (test.why != "") {
			t.Errorf("%+v: %+v", test.goal, r)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5512: "0.551", 5.512: "5.51", 55.12: "55.1", 551.2: "551", 55120: "55,120", 1234567: "1,234,567", 0.0000001: "0.000000"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, not %s", v, got, want)
		}
	}
}

func TestThePictureIsWellFormedAndNamesEveryContestant(t *testing.T) {
	var order []string
	m := Match{
		Name: "m", Title: "a < b & c", Metrics: []Metric{speed}, Plot: "speed",
		Contestants: []Contestant{scripted("first", &order, 3, 4), scripted("<second>", &order, 0, 0)},
	}
	o, err := Play(t.Context(), m, 2, quiet)
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Outcomes: []Outcome{o, {Name: "skipped", Skip: "x"}}}
	path := filepath.Join(t.TempDir(), "r.svg")
	if err := r.WritePlot(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := tok.(xml.CharData); ok {
			texts = append(texts, string(c))
		}
	}
	for _, want := range []string{"a < b & c", "first", "<second>", "3.50"} {
		if !slices.Contains(texts, want) {
			t.Errorf("%q is not in the picture: %q", want, texts)
		}
	}
}

func TestAReportIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	r := Report{Commit: "abc", Outcomes: []Outcome{{Name: "m", Standing: []Standing{{Name: "a", OK: true, Figures: map[string]Figure{"speed": NewFigure([]float64{2, 1})}}}}}}
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if f := back.Outcomes[0].Standing[0].Figures["speed"]; f.Median != 1.5 || f.Values[0] != 2 || back.Commit != "abc" {
		t.Errorf("%+v", back)
	}
}
