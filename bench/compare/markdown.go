package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// RoundsLeast is the minimum number of rounds for a figure in a document.
const RoundsLeast = 5

// Read reads a report that Write wrote.
func Read(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read results %s: %w", path, err)
	}
	return r, nil
}

// Markdown has the first questions of a reader about some runs on one machine: the opponents and results of the
// headline matches, and each goal with its measurement. If several runs played a match, the first one counts.
func Markdown(headlines []string, reports ...*Report) (string, error) {
	if len(reports) == 0 {
		return "", errors.New("no results are given")
	}
	var b strings.Builder
	for _, r := range reports {
		if r.Machine != reports[0].Machine {
			return "", fmt.Errorf("results of two machines cannot be in one table: %+v and %+v", reports[0].Machine, r.Machine)
		}
		for i := range r.Outcomes {
			if o := &r.Outcomes[i]; o.Skip == "" && o.Rounds < RoundsLeast {
				return "", fmt.Errorf("%s of %s has %d rounds: a document needs at least %d", o.Name, r.Commit, o.Rounds, RoundsLeast)
			}
		}
	}
	m := &reports[0].Machine
	const gib = 1 << 30
	fmt.Fprintf(&b, "%s, %d cores, %.0f GiB, %s. Medians of at least %d rounds, in which all take turns; of ratios also the least\nand the most of a round. A figure is shown only if the checker found all acknowledged records in the log.\n",
		m.CPU, m.Cores, float64(m.MemoryBytes)/gib, m.System, RoundsLeast)
	for _, name := range headlines {
		for _, r := range reports {
			if o := r.outcome(name); o != nil && len(o.Standing) > 0 {
				o.markdown(&b)
				break
			}
		}
	}
	goalsMarkdown(&b, reports)
	b.WriteString("\nTo have it again:\n\n```console\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "$ %s   # %s, %s, %s\n", r.Command, r.Started.Format("2006-01-02"), r.Commit, r.Versions["go"])
	}
	b.WriteString("```\n")
	return b.String(), nil
}

func (r *Report) outcome(name string) *Outcome {
	for i := range r.Outcomes {
		if r.Outcomes[i].Name == name {
			return &r.Outcomes[i]
		}
	}
	return nil
}

// markdown writes a table of the contestants, and what the first of them is to each.
func (o *Outcome) markdown(b *strings.Builder) {
	subject := o.Standing[0].Name
	plot := Metric{}
	fmt.Fprintf(b, "\n**%s**\n\n| |", o.Title)
	for _, m := range o.Metrics {
		if m.Key == o.Plot {
			plot = m
		}
		fmt.Fprintf(b, " %s, %s |", m.Title, m.Unit)
	}
	fmt.Fprintf(b, " %s to it, %s |\n| --- |%s\n", subject, plot.Title, strings.Repeat(" ---: |", len(o.Metrics)+1))
	var absent []string
	for i := range o.Standing {
		s := &o.Standing[i]
		if s.Skip != "" {
			absent = append(absent, fmt.Sprintf("%s (%s)", s.Name, s.Skip))
			continue
		}
		fmt.Fprintf(b, "| %s |", cell(s.Name))
		for _, m := range o.Metrics {
			value := "-"
			if f, ok := s.Figures[m.Key]; ok {
				value = f.String()
			}
			fmt.Fprintf(b, " %s |", value)
		}
		ratio := ""
		if r, ok := o.ratio(Pair{o.Plot, subject, s.Name}); ok && i > 0 {
			ratio = r.Figure.Spread()
		}
		fmt.Fprintf(b, " %s |\n", ratio)
	}
	if len(absent) > 0 {
		fmt.Fprintf(b, "\nNot measured:\n- %s\n", strings.Join(absent, "\n- "))
	}
}

func goalsMarkdown(b *strings.Builder, reports []*Report) {
	b.WriteString("\n| goal | wanted | measured | |\n| --- | ---: | ---: | --- |\n")
	for i := range reports[0].Goals {
		g := &reports[0].Goals[i]
		for _, r := range reports[1:] {
			for j := range r.Goals {
				if other := &r.Goals[j]; g.Measured == nil && other.What == g.What && other.Measured != nil {
					g = other
				}
			}
		}
		measured, verdict := g.Why, ""
		if g.Measured != nil {
			measured, verdict = g.Measured.Spread(), "not reached"
			if g.Reached {
				verdict = "reached"
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(g.What), cell(g.Wanted()), cell(measured), verdict)
	}
}

// cell keeps a text within its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
