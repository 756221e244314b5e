package compare

import (
	"context"
	"fmt"
	"slices"
)

// Metric is one thing that is measured of every contestant.
type Metric struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	More  bool   `json:"more_is_better"`
}

// Contestant is one of those that are compared.
type Contestant struct {
	Name   string
	Remark string // a fact that readers need to judge its figures
	Skip   string // why it does not take part; then Turn is nil
	Turn   func(ctx context.Context) (Sample, error)
}

// Sample is what one turn measured.
type Sample struct {
	Values  map[string]float64 // by the metrics' keys; one that does not apply is left out
	OK      bool
	Verdict string
}

// Pair asks for a ratio: Of through To.
type Pair struct{ Metric, Of, To string }

// Match says who meets, and over what.
type Match struct {
	Name        string // short, as ONLY= selects it
	Title       string
	Metrics     []Metric
	Contestants []Contestant
	InOrder     bool // each round begins with the first contestant, because the others leave the machine in another state
	Pairs       []Pair
	Plot        string // metric of the picture
}

// Outcome is the outcome of a match.
type Outcome struct {
	Name     string     `json:"name"`
	Title    string     `json:"title"`
	Rounds   int        `json:"rounds"`
	Metrics  []Metric   `json:"metrics"`
	Plot     string     `json:"plot,omitzero"`
	Standing []Standing `json:"standing"`
	Ratios   []RatioOf  `json:"ratios,omitzero"`
	Skip     string     `json:"skip,omitzero"` // why the match was not played
}

// Standing is how one contestant did.
type Standing struct {
	Name    string            `json:"name"`
	Remark  string            `json:"remark,omitzero"`
	Skip    string            `json:"skip,omitzero"`
	OK      bool              `json:"ok"`
	Verdict string            `json:"verdict,omitzero"`
	Figures map[string]Figure `json:"figures,omitzero"` // none when not OK
}

// RatioOf is the figure of a Pair.
type RatioOf struct {
	Metric string `json:"metric"`
	Of     string `json:"of"`
	To     string `json:"to"`
	Figure Figure `json:"figure"`
}

// Failed reports whether a contestant did not pass its check.
func (o *Outcome) Failed() bool {
	return slices.ContainsFunc(o.Standing, func(s Standing) bool { return !s.OK && s.Skip == "" })
}

// Play plays a match. An error of a turn ends it: the machine, or the benchmark itself, is at fault then.
func Play(ctx context.Context, m Match, rounds int, progress func(round int, name string)) (Outcome, error) {
	o := Outcome{Name: m.Name, Title: m.Title, Rounds: rounds, Metrics: m.Metrics, Plot: m.Plot}
	samples := make([][]Sample, len(m.Contestants))
	for round := range rounds {
		for turn := range m.Contestants {
			i := turn
			if !m.InOrder {
				i = (turn + round) % len(m.Contestants)
			}
			c := &m.Contestants[i]
			if c.Skip != "" {
				continue
			}
			progress(round, c.Name)
			s, err := c.Turn(ctx)
			if err != nil {
				return o, fmt.Errorf("%s: round %d of %s: %w", m.Name, round+1, c.Name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	for i := range m.Contestants {
		o.Standing = append(o.Standing, standing(&m.Contestants[i], m.Metrics, samples[i]))
	}
	for _, p := range m.Pairs {
		if r, ok := o.ratio(p); ok {
			o.Ratios = append(o.Ratios, r)
		}
	}
	return o, nil
}

func standing(c *Contestant, metrics []Metric, samples []Sample) Standing {
	s := Standing{Name: c.Name, Remark: c.Remark, Skip: c.Skip}
	if c.Skip != "" {
		return s
	}
	s.OK = len(samples) > 0
	for _, sample := range samples {
		// The first that failed speaks for all, else the last.
		if s.OK {
			s.OK, s.Verdict = sample.OK, sample.Verdict
		}
	}
	if !s.OK {
		return s
	}
	s.Figures = map[string]Figure{}
	for _, m := range metrics {
		var values []float64
		for _, sample := range samples {
			if v, ok := sample.Values[m.Key]; ok {
				values = append(values, v)
			}
		}
		if len(values) == len(samples) {
			s.Figures[m.Key] = NewFigure(values)
		}
	}
	return s
}

// ratio divides the values of each round.
func (o *Outcome) ratio(p Pair) (RatioOf, bool) {
	of, ok1 := o.figure(p.Of, p.Metric)
	to, ok2 := o.figure(p.To, p.Metric)
	if !ok1 || !ok2 {
		return RatioOf{}, false
	}
	var values []float64
	for i := range of.Values {
		if to.Values[i] == 0 {
			return RatioOf{}, false
		}
		values = append(values, of.Values[i]/to.Values[i])
	}
	return RatioOf{p.Metric, p.Of, p.To, NewFigure(values)}, true
}

func (o *Outcome) figure(name, metric string) (Figure, bool) {
	for i := range o.Standing {
		if o.Standing[i].Name == name {
			f, ok := o.Standing[i].Figures[metric]
			return f, ok
		}
	}
	return Figure{}, false
}
