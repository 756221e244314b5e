package compare

import (
	"fmt"
	"strings"
)

// Goal is what a figure should come to.
type Goal struct {
	What  string `json:"what"`
	Match string `json:"match"` // name of the match that measures it; empty: none does yet
	// The figure: a metric of a contestant, or with To the ratio to another one.
	Metric string `json:"metric,omitzero"`
	Of     string `json:"of,omitzero"`
	To     string `json:"to,omitzero"`

	Bound Bound   `json:"bound"`
	Want  float64 `json:"want"`
	Unit  string  `json:"unit,omitzero"`
}

// Bound says on which side of the target a figure has to be.
type Bound string

// The bounds.
const (
	AtLeast Bound = ">="
	AtMost  Bound = "<="
)

// Result is a goal and its measurement.
type Result struct {
	Goal
	Measured *Figure `json:"measured,omitzero"` // nil: not measured in this run
	Reached  bool    `json:"reached"`
	Why      string  `json:"why,omitzero"` // nothing was measured
}

// Judge holds the outcomes against the goals. The median decides.
func Judge(goals []Goal, outcomes []Outcome) []Result {
	var results []Result
	for _, g := range goals {
		r := Result{Goal: g}
		f, why := g.figure(outcomes)
		if r.Why = why; why == "" {
			r.Measured = &f
			r.Reached = g.Bound == AtLeast && f.Median >= g.Want || g.Bound == AtMost && f.Median <= g.Want
		}
		results = append(results, r)
	}
	return results
}

func (g *Goal) figure(outcomes []Outcome) (f Figure, why string) {
	if g.Match == "" {
		return f, "no benchmark measures it yet"
	}
	for i := range outcomes {
		o := &outcomes[i]
		if o.Name != g.Match {
			continue
		}
		if o.Skip != "" {
			return f, o.Skip
		}
		var ok bool
		if g.To == "" {
			f, ok = o.figure(g.Of, g.Metric)
		} else {
			var r RatioOf
			r, ok = o.ratio(Pair{g.Metric, g.Of, g.To})
			f = r.Figure
		}
		if !ok {
			return f, "its contestants were skipped, or did not pass their check"
		}
		return f, ""
	}
	return f, "not in this run"
}

// Wanted is the goal as text.
func (g *Goal) Wanted() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", g.Bound, number(g.Want), g.Unit))
}
