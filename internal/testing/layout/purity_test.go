package layout_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// clock lists the functions of package time that read a clock, wait or start a timer. Values of time and durations are
// no effects.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// pure lists the packages without effects: what they do is a function of what they are given.
var pure = []string{
	"schemas", "schemas/event", "schemas/provider", "schemas/segment", "ingress/raw", "ingress/route", "processors/split", "processors/identity", "processors/directory", "processors/people", "sinks/merge", "sinks/media/plan", "sinks/webhook/queue", "sinks/webhook/envelope",
	"processors/dedup", "processors/history", "processors/deferred",
	"processors/contacts", "processors/media", "processors/account", "processors/partition", "internal/doctor", "internal/desk", "internal/invalid",
}

// effectful lists the packages that a pure package may not import, with everything below them. Package log of the
// standard library and its neighbours write, context carries cancellation, sync and os need other goroutines or a
// machine.
var effectful = []string{
	"bufio", "context", "crypto/rand", "database", "io/ioutil", "log", "math/rand", "net", "os", "path/filepath", "plugin",
	"runtime", "sync", "syscall", "testing", "github.com/prometheus", "github.com/segmentio/kafka-go", "github.com/twmb/franz-go",
	"github.com/valyala/fasthttp", "golang.org/x/net", "golang.org/x/sync", "golang.org/x/sys",
}

// effects returns what makes the source of a Go file impure, one text for each place: an import with effects, a go
// statement, a channel, a clock. The text names the place as file:line. An error is a source that is no Go.
func effects(name string, source []byte) (found []string, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	add := func(n ast.Node, what string) {
		at := set.Position(n.Pos())
		found = append(found, fmt.Sprintf("%s:%d: %s", at.Filename, at.Line, what))
	}
	timeName := ""
	for _, imp := range file.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		for _, e := range effectful {
			if (path == e || strings.HasPrefix(path, e+"/")) && path != "net/url" { // escapes texts
				add(imp, "imports "+path)
			}
		}
		if path == "time" {
			timeName = "time"
			if imp.Name != nil {
				timeName = imp.Name.Name
			}
			if timeName == "." {
				add(imp, "imports time without its name")
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "starts a goroutine")
		case *ast.SelectStmt:
			add(n, "waits for channels")
		case *ast.ChanType:
			add(n, "has a channel")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clock, n.Sel.Name) {
				add(n, "uses time."+n.Sel.Name)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				add(n, "prints")
			}
		}
		return true
	})
	return found, nil
}

func TestPurePackagesHaveNoEffects(t *testing.T) {
	for _, dir := range pure {
		files, err := filepath.Glob(filepath.Join("../../..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all, err := effects(strings.TrimPrefix(name, "../../../"), source)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				t.Errorf("%s; the package is pure (CONTRIBUTING, rule 2)", e)
			}
		}
	}
}

func TestEachEffectIsRefused(t *testing.T) {
	for source, want := range map[string]string{
		`func f() { go f() }`:                                  "2: starts a goroutine",
		`func f() { select {} }`:                               "2: waits for channels",
		`func f(c chan int) {}`:                                "2: has a channel",
		`func f() { println("x") }`:                            "2: prints",
		"import \"time\"\nvar x = time.Now()":                  "3: uses time.Now",
		"import \"time\"\nvar x = time.Now":                    "3: uses time.Now",
		"import \"time\"\nfunc f() { time.Sleep(1) }":          "3: uses time.Sleep",
		"import \"time\"\nvar x = time.NewTimer(1)":            "3: uses time.NewTimer",
		"import \"time\"\nvar x = time.After(1)":               "3: uses time.After",
		"import now \"time\"\nvar x = now.Since(now.Time{})":   "3: uses time.Since",
		"import . \"time\"\nvar x = Now()":                     "2: imports time without its name",
		"import \"os\"\nvar x = os.Args":                       "2: imports os",
		"import \"os/exec\"\nvar x exec.Cmd":                   "2: imports os/exec",
		"import \"net/http\"\nvar x http.Client":               "2: imports net/http",
		"import \"log/slog\"\nvar x slog.Logger":               "2: imports log/slog",
		"import \"sync/atomic\"\nvar x atomic.Int64":           "2: imports sync/atomic",
		"import \"math/rand/v2\"\nvar x = rand.Int()":          "2: imports math/rand/v2",
		"import _ \"github.com/twmb/franz-go/pkg/kgo\"":        "2: imports github.com/twmb/franz-go/pkg/kgo",
		"import _ \"github.com/segmentio/kafka-go\"":           "2: imports github.com/segmentio/kafka-go",
		"import \"time\"\nvar x = time.Unix(0, 0).Add(1)":      "",
		"import \"net/netip\"\nvar x = netip.Addr{}":           "2: imports net/netip",
		"import \"strings\"\nvar x = strings.ToUpper(\"now\")": "",
	} {
		all, err := effects("x.go", []byte("package x\n"+source))
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		if got := strings.TrimPrefix(strings.Join(all, "; "), "x.go:"); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	if _, err := effects("x.go", []byte("pack")); err == nil {
		t.Error("what is no Go has no error")
	}
}
