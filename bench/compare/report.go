package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is a whole run, as in bench/results.
type Report struct {
	Started  time.Time         `json:"started"`
	Took     time.Duration     `json:"took_ns"`
	Commit   string            `json:"commit"` // with "+changes" when the work tree had some
	Command  string            `json:"command"`
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]string `json:"settings"`
	Outcomes []Outcome         `json:"outcomes"`
	Goals    []Result          `json:"goals"`
}

// Machine is what the run ran on.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"` // that this process may use
	MemoryBytes int64  `json:"memory_bytes"`
	System      string `json:"system"`
	Filesystem  string `json:"data_folder"`
}

// Write writes the report as JSON.
func (r *Report) Write(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Head is what a reader has to know before the numbers.
func (r *Report) Head() string {
	m := &r.Machine
	const gib = 1 << 30
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		versions = append(versions, name[strings.LastIndexByte(name, '/')+1:]+" "+r.Versions[name])
	}
	return fmt.Sprintf("coexstream %s, %s, %d cores, %.0f GiB, %s, data on %s\n%s\n%s\n", r.Commit, m.CPU, m.Cores,
		float64(m.MemoryBytes)/gib, m.System, m.Filesystem, strings.Join(versions, ", "), r.Command)
}

// WriteTable writes one table for each outcome.
func (o *Outcome) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if o.Skip != "" {
		_, err := fmt.Fprintf(w, "\n%s: %s\n  SKIP: %s\n", o.Name, o.Title, o.Skip)
		return err
	}
	row := func(cells ...string) {
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") // the tabwriter keeps the error for Flush
	}
	_, _ = fmt.Fprintf(t, "\n%s: %s; medians of %d\n", o.Name, o.Title, o.Rounds)
	titles, units := []string{""}, []string{""}
	for _, m := range o.Metrics {
		titles, units = append(titles, m.Title), append(units, m.Unit)
	}
	row(titles...)
	row(units...)
	for i := range o.Standing {
		s := &o.Standing[i]
		if s.Skip != "" {
			continue
		}
		cells := []string{s.Name}
		for _, m := range o.Metrics {
			f, ok := s.Figures[m.Key]
			if !ok {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, f.String())
		}
		row(cells...)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return o.writeNotes(w)
}

// writeNotes says what does not fit into a column: ratios, verdicts, remarks, and who did not take part.
func (o *Outcome) writeNotes(w io.Writer) error {
	var b strings.Builder
	for _, r := range o.Ratios {
		fmt.Fprintf(&b, "  %s / %s, %s: %s\n", r.Of, r.To, o.title(r.Metric), r.Figure.Spread())
	}
	for i := range o.Standing {
		s := &o.Standing[i]
		switch {
		case s.Skip != "":
			fmt.Fprintf(&b, "  %s: SKIP: %s\n", s.Name, s.Skip)
		case s.Remark != "":
			fmt.Fprintf(&b, "  %s: %s (%s)\n", s.Name, s.Verdict, s.Remark)
		default:
			fmt.Fprintf(&b, "  %s: %s\n", s.Name, s.Verdict)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (o *Outcome) title(metric string) string {
	for _, m := range o.Metrics {
		if m.Key == metric {
			return m.Title
		}
	}
	return metric
}

// WriteGoals writes measured against goal.
func WriteGoals(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\ngoal\twanted\tmeasured\t") // the tabwriter keeps the error for Flush
	for i := range results {
		r := &results[i]
		measured, verdict := r.Why, ""
		if r.Measured != nil {
			measured, verdict = r.Measured.Spread(), "not reached"
			if r.Reached {
				verdict = "reached"
			}
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.What, r.Wanted(), measured, verdict)
	}
	return t.Flush()
}
