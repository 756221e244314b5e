package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
)

// match is one entry of the programme.
type match struct {
	name string
	play func(ctx context.Context, h *harness) (compare.Outcome, error)
}

func matches() []match {
	return []match{
		{"split", playSplit},
		{"ingress", playIngress},
		{"core", playCore},
		{"acknowledgement", playAcknowledgement},
		{"mix", playMix},
		{"bulk", playBulk},
		{"memory", playMemory},
		{"processor", playProcessor},
		{"streams", playStreams},
		{"team", playTeam},
		{"scale", playScale},
		{"growth", playGrowth},
		{"window", playWindow},
		{"restart", playRestart},
		{"endtoend", playEndToEnd},
		{"chunks", playChunks},
		{"isolation", playIsolation},
		{"tenant", playTenant},
		{"postgres", playPostgres},
		{"tables", playTables},
	}
}

func names() []string { return namesOf(matches()) }

func namesOf(ms []match) []string {
	var ns []string
	for _, m := range ms {
		ns = append(ns, m.name)
	}
	return ns
}

// runMatches plays the selected matches, prints the tables, and writes the results. It fails when a contestant did not
// pass its check, not when a goal is missed.
func runMatches(ctx context.Context) (err error) {
	o, err := parse()
	if err != nil {
		return err
	}
	if o.document != "" {
		return writeDocument(".", strings.Split(o.document, ","))
	}
	if o.flamegraphs != "" {
		return drawFlamegraphs(ctx, o)
	}
	h, err := newHarness(ctx, o)
	if err != nil {
		return err
	}
	defer h.stop.all(&err)
	report := h.newReport(ctx)
	fmt.Print(report.Head())
	var failed []string
	for _, m := range o.programme() {
		if !slices.Contains(o.selected(), m.name) {
			continue
		}
		outcome, err := m.play(ctx, h)
		if err != nil {
			return fmt.Errorf("%w (logs in %s)", err, h.dir)
		}
		if outcome.Failed() {
			failed = append(failed, m.name)
		}
		report.Outcomes = append(report.Outcomes, outcome)
		if err := outcome.WriteTable(os.Stdout); err != nil {
			return err
		}
		// A run takes an hour, and an early end should not cost the known results.
		report.Took = time.Since(report.Started).Round(time.Second)
		report.Goals = compare.Judge(o.goalsSelected(), report.Outcomes)
		if err := h.write(&report); err != nil {
			return err
		}
	}
	if o.short {
		fmt.Println("\nshort: the harness works; nothing is measured by so little")
	} else if err := compare.WriteGoals(os.Stdout, report.Goals); err != nil {
		return err
	}
	h.sayWhere(&report)
	if len(failed) > 0 {
		return fmt.Errorf("not every contestant passed its check in %s; see the verdicts (logs in %s)", strings.Join(failed, ", "), h.dir)
	}
	return h.clean()
}

// resultsFile is where the results are kept, without the extension.
func (h *harness) resultsFile(r *compare.Report) string {
	return filepath.Join(h.o.results, r.Started.Format("2006-01-02")+"-"+strings.ReplaceAll(r.Commit, "+", "-"))
}

func (h *harness) sayWhere(r *compare.Report) {
	if h.o.results != "" {
		fmt.Printf("\nwritten to %[1]s.json and %[1]s.svg\n", h.resultsFile(r))
	}
}

// write keeps the results so far.
func (h *harness) write(r *compare.Report) error {
	if h.o.results == "" {
		return nil
	}
	if err := os.MkdirAll(h.o.results, 0o755); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	name := h.resultsFile(r)
	if err := r.Write(name + ".json"); err != nil {
		return err
	}
	return r.WritePlot(name + ".svg")
}

// play is compare.Play with this run's rounds, and a line for each turn on a terminal's error output.
func (h *harness) play(ctx context.Context, m compare.Match) (compare.Outcome, error) {
	return compare.Play(ctx, m, h.o.rounds, func(round int, name string) {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d: %s\n", m.Name, round+1, h.o.rounds, name)
	})
}
