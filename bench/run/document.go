package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/bench/compare"
)

// The part of the document that results fill in. Its first line names them, so that a test can compare both.
const (
	documentFile  = "docs/performance.md"
	documentBegin = "<!-- benchmark"
	documentEnd   = "<!-- /benchmark -->"
)

// headlines are the matches whose tables are in the document.
func headlines() []string { return []string{"ingress", "core", "endtoend", "chunks"} }

// writeDocument replaces the tables of the document by those of the results. All paths begin at the root.
func writeDocument(root string, results []string) error {
	path := filepath.Join(root, documentFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("fill in the table: %w", err)
	}
	replaced, err := fillDocument(string(text), root, results)
	if err != nil {
		return fmt.Errorf("fill in the table of %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(replaced), 0o644); err != nil {
		return fmt.Errorf("fill in the table: %w", err)
	}
	return nil
}

// fillDocument returns the text with the tables of the results, whose paths begin at the root.
func fillDocument(text, root string, results []string) (string, error) {
	before, rest, ok := strings.Cut(text, documentBegin)
	_, after, ok2 := strings.Cut(rest, documentEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("it has no lines %q and %q", documentBegin+" -->", documentEnd)
	}
	var reports []*compare.Report
	for _, path := range results {
		r, err := compare.Read(filepath.Join(root, path))
		if err != nil {
			return "", err
		}
		reports = append(reports, r)
	}
	table, err := compare.Markdown(headlines(), reports...)
	if err != nil {
		return "", err
	}
	return before + documentBegin + " " + strings.Join(results, " ") + " -->\n" + table + documentEnd + after, nil
}

// namedResults are the results that the document names as its source.
func namedResults(text string) []string {
	_, rest, _ := strings.Cut(text, documentBegin)
	line, _, _ := strings.Cut(rest, "-->")
	return strings.Fields(line)
}
