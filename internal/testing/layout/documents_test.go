package layout_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the Markdown files of the module, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "docs/lab/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = string(text)
		}
	}
	if len(found) < 40 {
		t.Fatalf("found %d documents", len(found))
	}
	return found
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code    = regexp.MustCompile("(?s)```.*?```")
)

// anchors are those that GitHub makes of the headings.
func anchors(text string) []string {
	var found []string
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, h := range heading.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		found = append(found, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return found
}

func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	all := documents(t)
	for name, text := range all {
		for _, l := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(l[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, l[1])
			} else if anchor != "" && !slices.Contains(anchors(all[target]), anchor) {
				t.Errorf("%s links to %s, which has no such heading", name, l[1])
			}
		}
	}
}

func TestReadmeIsReadInThreeMinutes(t *testing.T) {
	if words := len(strings.Fields(documents(t)["README.md"])); words > 1500 {
		t.Errorf("README.md has %d words; at most 1500: the rest belongs into docs", words)
	}
}

// ADRs have a status, and are short. Measurements and attempts are in docs/lab.
func TestDecisionsHaveAStatusAndAreShort(t *testing.T) {
	status := regexp.MustCompile(`(?m)^Status: (accepted|superseded by \[\d{4}\]\([^)]+\))(, .*)?\.$`)
	for name, text := range documents(t) {
		if !strings.HasPrefix(name, "docs/adr/") {
			continue
		}
		if lines := strings.SplitN(text, "\n", 4); len(lines) < 4 || !status.MatchString(strings.Join(lines[:3], "\n")) {
			t.Errorf("%s does not begin with its title and a line such as %q", name, "Status: accepted.")
		}
		if words := len(strings.Fields(text)); words > 750 {
			t.Errorf("%s has %d words; at most 750: measurements belong into docs/lab", name, words)
		}
	}
}

// Authors find the checks of a change in CONTRIBUTING.
func TestContributingNamesTheStepsOfCI(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(documents(t)["CONTRIBUTING.md"], "Its steps, in order: ")
	list, _, _ = strings.Cut(list, "\n\n")
	target := regexp.MustCompile(`make ((?:[a-z-]+ ?)+)`)
	var steps, named []string
	for _, m := range regexp.MustCompile(`(?m)^make ((?:[a-z-]+ ?)+)`).FindAllStringSubmatch(string(script), -1) {
		steps = append(steps, strings.Fields(m[1])...)
	}
	for _, m := range target.FindAllStringSubmatch(list, -1) {
		named = append(named, strings.Fields(m[1])...)
	}
	if len(steps) < 8 || !slices.Equal(steps, named) {
		t.Errorf(".ci/run makes %q, CONTRIBUTING.md lists %q", steps, named)
	}
}

// Each dependency is a decision.
func TestADRNamesEachDirectDependency(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text, modules := documents(t)["docs/adr/0007-libraries.md"], 0
	version := regexp.MustCompile(`/v\d+$`)
	for _, m := range regexp.MustCompile(`(?m)^\t([\w./-]+) v\S+$`).FindAllStringSubmatch(string(file), -1) {
		modules++
		name := version.ReplaceAllString(m[1], "")
		if short := name[strings.LastIndex(name, "/")+1:]; !strings.Contains(text, name) && !strings.Contains(text, short+"`") {
			t.Errorf("docs/adr/0007-libraries.md does not name %s", name)
		}
	}
	if modules < 15 {
		t.Errorf("found %d direct dependencies", modules)
	}
}

// The file map of the architecture names folders, its guide tests.
func TestArchitectureNamesFoldersAndTestsThatAreThere(t *testing.T) {
	text := documents(t)["docs/ARCHITECTURE.md"]
	folders, named := 0, testNames(t)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(text, -1) {
		base := ""
		for _, name := range regexp.MustCompile("`([\\w./-]+[/.][\\w]*)`").FindAllStringSubmatch(row[1], -1) {
			folders++
			path := name[1]
			if base != "" && !strings.Contains(strings.TrimSuffix(path, "/"), "/") {
				path = filepath.Join(base, path)
			}
			if base == "" {
				base = filepath.Dir(filepath.Clean(path))
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("docs/ARCHITECTURE.md names %s, which is not there", path)
			}
		}
	}
	tests := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(text, -1)
	for _, n := range tests {
		if !named[n[1]] {
			t.Errorf("docs/ARCHITECTURE.md names %s, which is not there", n[1])
		}
	}
	if folders < 30 || len(tests) < 10 {
		t.Errorf("found %d folders and %d tests", folders, len(tests))
	}
}
