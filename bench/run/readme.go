package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/bench/compare"
)

// The part of the README that results fill in. Its first line names them, so that a test can hold it against them.
const (
	readmeFile  = "README.md"
	readmeBegin = "<!-- benchmark"
	readmeEnd   = "<!-- /benchmark -->"
)

// headlines are the matches whose tables are in the README.
func headlines() []string { return []string{"ingress", "core", "endtoend", "chunks"} }

// writeReadme replaces the table of the README by what is in results.
func writeReadme(path string, results []string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("fill in the table: %w", err)
	}
	replaced, err := fillReadme(string(text), filepath.Dir(path), results)
	if err != nil {
		return fmt.Errorf("fill in the table of %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(replaced), 0o644); err != nil {
		return fmt.Errorf("fill in the table: %w", err)
	}
	return nil
}

// fillReadme is the text with the table of the results, whose paths are told from the folder.
func fillReadme(text, folder string, results []string) (string, error) {
	before, rest, ok := strings.Cut(text, readmeBegin)
	_, after, ok2 := strings.Cut(rest, readmeEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("it has no lines %q and %q", readmeBegin+" -->", readmeEnd)
	}
	var reports []*compare.Report
	for _, path := range results {
		r, err := compare.Read(filepath.Join(folder, path))
		if err != nil {
			return "", err
		}
		reports = append(reports, r)
	}
	table, err := compare.Markdown(headlines(), reports...)
	if err != nil {
		return "", err
	}
	return before + readmeBegin + " " + strings.Join(results, " ") + " -->\n" + table + readmeEnd + after, nil
}

// namedResults are the results that the README says it is made of.
func namedResults(text string) []string {
	_, rest, _ := strings.Cut(text, readmeBegin)
	line, _, _ := strings.Cut(rest, "-->")
	return strings.Fields(line)
}
