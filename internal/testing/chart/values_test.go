package chart

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the schema, the reference and the copy of the alerts anew")

const (
	folder   = "../../../helm/coexstream"
	document = "../../../docs/kubernetes.md"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func valuesOf(t *testing.T) []Value {
	t.Helper()
	values, err := Values(read(t, filepath.Join(folder, "values.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	if len(values) < 100 {
		t.Fatalf("%d values", len(values))
	}
	return values
}

// same compares a file, or a part of it, with its source; with -update it writes the file.
func same(t *testing.T, path string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if !*update {
		t.Errorf("%s is not made of its source; write it with go test ./internal/testing/chart -update", path)
		return
	}
	if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // a file of the repository
		t.Fatal(err)
	}
}

func TestTheSchemaIsMadeOfTheValues(t *testing.T) {
	want, err := Schema(valuesOf(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "values.schema.json")
	got, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	same(t, path, got, want)
}

func TestTheReferenceIsMadeOfTheValues(t *testing.T) {
	table, err := Table(valuesOf(t))
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, document)
	begin, rest, ok := bytes.Cut(got, []byte("<!-- values -->\n"))
	_, end, ok2 := bytes.Cut(rest, []byte("<!-- /values -->"))
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the values", document)
	}
	same(t, document, got, bytes.Join([][]byte{begin, []byte("<!-- values -->\n"), []byte(table), []byte("<!-- /values -->"), end}, nil))
}

func TestTheAlertsOfTheChartAreThoseOfTheDocuments(t *testing.T) {
	for _, name := range []string{"alerts.yaml", "slo-rules.yaml"} {
		path := filepath.Join(folder, "files", name)
		same(t, path, read(t, path), read(t, "../../../docs/"+name))
	}
}

func TestEveryValueIsDocumentedAndUsed(t *testing.T) {
	var templates strings.Builder
	err := fs.WalkDir(os.DirFS(folder), "templates", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			templates.Write(read(t, filepath.Join(folder, path)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range valuesOf(t) {
		if v.Doc == "" {
			t.Errorf("%s: values.yaml has no comment with -- for it", v.Name())
		}
		if !used(templates.String(), v.Path) {
			t.Errorf("%s: no template uses it", v.Name())
		}
	}
	if used(templates.String(), []string{"ingress", "spool", "invented"}) {
		t.Error("a value that no template uses counts as used")
	}
}

// used reports whether a template names the end of the path, such as .spool.size or .replicas.
func used(templates string, path []string) bool {
	last := path[max(0, len(path)-2):]
	if len(path) > 1 && regexp.MustCompile(`\.`+regexp.QuoteMeta(strings.Join(last, "."))+`\b`).MatchString(templates) {
		return true
	}
	return regexp.MustCompile(`[.$]` + regexp.QuoteMeta(path[len(path)-1]) + `\b`).MatchString(templates)
}
