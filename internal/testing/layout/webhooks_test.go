package layout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// testNames finds every test of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEveryBehaviourOfWebhooksHasATest(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs", "webhooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	row := regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \| (.*) \| ([^|]*) \|$`)
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)(?:/(\\w+))?`")
	rows := row.FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 40 {
		t.Fatalf("found %d behaviours in docs/webhooks.md", len(rows))
	}
	for _, r := range rows {
		ns := named.FindAllStringSubmatch(r[3], -1)
		if len(ns) == 0 {
			t.Errorf("%s names no test: %s", r[1], r[2])
		}
		for _, n := range ns {
			if !tests[n[1]] {
				t.Errorf("%s names %s, which is not there", r[1], n[1])
			}
			if n[2] == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, "processors", "history", "testdata", n[2]+".txt")); err != nil {
				t.Errorf("%s names a transcript that is not there: %v", r[1], err)
			}
		}
	}
}
