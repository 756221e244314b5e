package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the configuration tables into docs/configuration.md")

// The document holds each table between two comments; `go test ./internal/config -update` writes them.
func TestDocumentHasTheTablesOfTheKeys(t *testing.T) {
	const path = "../../docs/configuration.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"configuration": Table(), "sources": SourceTable()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("docs/configuration.md does not hold %q and %q", begin, end)
		}
		want = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Error("the configuration tables of docs/configuration.md are not those of the code: run go test ./internal/config -update")
	}
}

// The documents' examples of a configuration file load as they are, but for the folder of their secrets.
func TestExamplesOfTheDocumentsAreValid(t *testing.T) {
	const secrets = "/run/secrets/"
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	found := 0
	for _, path := range []string{"../../docs/configuration.md", "../../docs/deployment.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range examples.FindAllStringSubmatch(string(text), -1) {
			found++
			folder := t.TempDir()
			for _, name := range regexp.MustCompile(secrets+`[\w-]+`).FindAllString(e[1], -1) {
				if err := os.WriteFile(filepath.Join(folder, filepath.Base(name)), []byte("0123456789abcdef\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(folder, "coexstream.yaml")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(e[1], secrets, folder+"/")), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := Load(Input{File: file})
			if err != nil {
				t.Errorf("%s: %v\n%s", path, err, e[1])
			} else if len(cfg.Ingress.Sources) != 1 {
				t.Errorf("%s: %d sources in\n%s", path, len(cfg.Ingress.Sources), e[1])
			}
		}
	}
	if found < 3 {
		t.Errorf("found %d examples", found)
	}
}
