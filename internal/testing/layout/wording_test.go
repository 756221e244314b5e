package layout_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ownWordings returns the calls of a file's validating functions that word an error themselves. Such a function may only
// wrap the errors of package invalid.
func ownWordings(name string, source any) (found []string, validators int, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, 0, err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || !strings.HasPrefix(strings.ToLower(f.Name.Name), "validate") {
			continue
		}
		validators++
		ast.Inspect(f.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, _ := fun.X.(*ast.Ident)
			text, _ := call.Args[0].(*ast.BasicLit)
			if pkg == nil || text == nil {
				return true
			}
			format, _ := strconv.Unquote(text.Value)
			if pkg.Name == "errors" && fun.Sel.Name == "New" || pkg.Name == "fmt" && fun.Sel.Name == "Errorf" && !strings.Contains(format, "%w") {
				found = append(found, fmt.Sprintf("%s: %q", set.Position(call.Pos()), format))
			}
			return true
		})
	}
	return found, validators, nil
}

func TestABadValueHasOneWordingEverywhere(t *testing.T) {
	validators := 0
	for _, dir := range []string{"ingress", "processors", "sinks", "internal"} {
		err := filepath.WalkDir(filepath.Join("../../..", dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "internal/testing/") {
				return err
			}
			found, n, err := ownWordings(path, nil)
			validators += n
			for _, f := range found {
				t.Errorf("%s; use internal/invalid", f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if validators < 15 {
		t.Errorf("found %d validating functions", validators)
	}
}

func TestAnotherWordingIsRefused(t *testing.T) {
	for body, want := range map[string]int{
		`return errors.New("a is empty")`:                1,
		`return fmt.Errorf("a: %d; want 1", c.A)`:        1,
		`return fmt.Errorf("a: %w", err)`:                0,
		`return invalid.Value("a", c.A, "1 or more")`:    0,
		`if x { return fmt.Errorf("a must be b") }`:      1,
		`return errors.Join(invalid.Value("a", 1, "2"))`: 0,
	} {
		found, _, err := ownWordings("x.go", "package x\nfunc (c *Config) Validate() error {\n"+body+"\nreturn nil }")
		if err != nil || len(found) != want {
			t.Errorf("%s: %v, %v; want %d", body, found, err, want)
		}
	}
}
