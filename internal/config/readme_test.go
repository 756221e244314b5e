package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the configuration tables into the README")

// The README holds the tables between two comments; `go test ./internal/config -update` writes them.
func TestReadmeHasTheTablesOfTheKeys(t *testing.T) {
	const path, begin, end = "../../README.md", "<!-- configuration -->\n", "<!-- /configuration -->"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	have, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md does not hold %q and %q", begin, end)
	}
	want := Table() + "\n" + SourceTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want {
		t.Error("the configuration tables of README.md are not those of the code: run go test ./internal/config -update")
	}
}
