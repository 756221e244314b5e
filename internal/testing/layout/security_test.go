package layout_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryDefenceHasATest(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, defended, ok := strings.Cut(string(doc), "\n## Threats and defences\n")
	if !ok {
		t.Fatal("SECURITY.md does not say what is defended")
	}
	defended, _, _ = strings.Cut(defended, "\n## ")
	tests, named := testNames(t), regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	rows := 0
	for line := range strings.Lines(defended) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| threat") {
			continue
		}
		rows++
		names := named.FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("no test is named: %s", line)
		}
		for _, n := range names {
			if !tests[n[1]] {
				t.Errorf("%s is not there", n[1])
			}
		}
	}
	if rows < 15 {
		t.Errorf("found %d defences", rows)
	}
}
