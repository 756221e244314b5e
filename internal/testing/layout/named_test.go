package layout_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tree is what a document may name: the paths of the module, and the declarations of its Go files.
type tree struct {
	paths   map[string]bool            // of files and folders, from the root
	bases   map[string]bool            // names of files without their folders
	tests   map[string]bool            // test functions
	symbols map[string]bool            // declarations, methods and fields, of all packages
	members map[string]map[string]bool // methods and fields of a type name, of all packages
	of      map[string]map[string]bool // declarations of a package name, of all packages of that name
}

// declare adds the declarations of a Go file.
func (w *tree) declare(f *ast.File) {
	pkg := strings.TrimSuffix(f.Name.Name, "_test")
	if w.of[pkg] == nil {
		w.of[pkg] = map[string]bool{}
	}
	add := func(name string) { w.of[pkg][name], w.symbols[name] = true, true }
	member := func(typ, name string) {
		if w.members[typ] == nil {
			w.members[typ] = map[string]bool{}
		}
		w.members[typ][name], w.symbols[name] = true, true
	}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name.Name)
				continue
			}
			if typ := receiver(d.Recv.List[0].Type); typ != "" {
				member(typ, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					for _, n := range s.Names {
						add(n.Name)
					}
				case *ast.TypeSpec:
					add(s.Name.Name)
					for _, n := range fieldsOf(s.Type) {
						member(s.Name.Name, n)
					}
				}
			}
		}
	}
}

// receiver is the type name of a method's receiver.
func receiver(t ast.Expr) string {
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// fieldsOf are the fields of a struct, or the methods of an interface, embedded ones by the name of their type.
func fieldsOf(t ast.Expr) (names []string) {
	var list *ast.FieldList
	switch x := t.(type) {
	case *ast.StructType:
		list = x.Fields
	case *ast.InterfaceType:
		list = x.Methods
	default:
		return nil
	}
	for _, f := range list.List {
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
		if len(f.Names) == 0 {
			names = append(names, receiver(f.Type))
		}
	}
	return names
}

// readTree reads the module.
func readTree(t *testing.T) *tree {
	t.Helper()
	w := &tree{
		paths: map[string]bool{}, bases: map[string]bool{}, tests: testNames(t), symbols: map[string]bool{},
		members: map[string]map[string]bool{}, of: map[string]map[string]bool{},
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		w.paths[filepath.ToSlash(name)] = true
		if d.IsDir() {
			return nil
		}
		w.bases[d.Name()] = true
		if strings.HasSuffix(file, ".go") {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			w.declare(f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var (
	quoted    = regexp.MustCompile("`([^`\n]+)`")
	ofTree    = regexp.MustCompile(`^(?:\./)?((?:bench|docs|ingress|internal|processors|schemas|sinks|\.ci)/[\w./-]*\w)/?$`)
	goFile    = regexp.MustCompile(`^[\w./-]+\.go$`)
	oneTest   = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w+$`)
	qualified = regexp.MustCompile(`^([a-zA-Z]\w*)\.([a-zA-Z]\w*)(?:\.([a-zA-Z]\w*))?$`)
	camel     = regexp.MustCompile(`^[a-z]+[A-Z]\w*$`)
)

// missing returns what a name in backquotes lacks; empty: nothing, or it is no name of this module. A guide names
// declarations of the module, so all of them are checked. In other documents a word such as `groupId` may belong to a
// webhook.
func (w *tree) missing(document, name string, guide bool) string {
	command := strings.Fields(name)
	if len(command) > 1 { // `go test ./processors/history -run X`
		for _, word := range command {
			if m := ofTree.FindStringSubmatch(word); m != nil && strings.HasPrefix(word, "./") && !w.paths[m[1]] {
				return fmt.Sprintf("the path %s", word)
			}
		}
		return ""
	}
	if m := ofTree.FindStringSubmatch(name); m != nil {
		if !w.paths[m[1]] && !w.paths[path.Join(path.Dir(document), m[1])] {
			return fmt.Sprintf("the path %s", name)
		}
		return ""
	}
	if goFile.MatchString(name) {
		if w.bases[path.Base(name)] && (!strings.Contains(name, "/") || w.below(name)) {
			return ""
		}
		return fmt.Sprintf("the file %s", name)
	}
	if oneTest.MatchString(name) {
		if !w.tests[name] {
			return fmt.Sprintf("the test %s", name)
		}
		return ""
	}
	if m := qualified.FindStringSubmatch(name); m != nil {
		return w.missingSymbol(name, m[1], m[2], m[3], guide)
	}
	if guide && camel.MatchString(name) && !w.symbols[name] {
		return fmt.Sprintf("the declaration %s", name)
	}
	return ""
}

// below reports whether a path such as bulk/scheduler.go is the end of a path of the module.
func (w *tree) below(name string) bool {
	for p := range w.paths {
		if strings.HasSuffix(p, "/"+name) {
			return true
		}
	}
	return false
}

// missingSymbol judges pkg.Name, pkg.Type.Member, and Type.Member. An exported name behind the name of a package of the
// module has to be in it. Keys of the configuration, such as kafka.sasl, are in lower case.
func (w *tree) missingSymbol(name, first, second, third string, guide bool) string {
	exported := second[0] >= 'A' && second[0] <= 'Z'
	switch names := w.of[first]; {
	case names != nil && exported:
		if !names[second] || third != "" && !w.members[second][third] {
			return fmt.Sprintf("%s of the package %s", name, first)
		}
	case guide && third == "" && w.members[first] != nil:
		if !w.members[first][second] {
			return fmt.Sprintf("%s of the type %s", name, first)
		}
	}
	return ""
}

// guides are documents whose names in camel case are declarations of the module.
var guides = map[string]bool{"docs/ARCHITECTURE.md": true, "CONTRIBUTING.md": true}

// Documents name folders, files, tests and declarations that are there. The changelog names former ones, too.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	w, names := readTree(t), 0
	for document, text := range documents(t) {
		if document == "CHANGELOG.md" {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			names++
			if missing := w.missing(document, m[1], guides[document]); missing != "" {
				t.Errorf("%s names %s, which is not there", document, missing)
			}
		}
	}
	if names < 3000 {
		t.Errorf("found %d names in the documents", names)
	}
}

func TestANameOfADocumentThatIsNotThereIsFound(t *testing.T) {
	w := readTree(t)
	for name, found := range map[string]bool{
		"processors/history": false, "processors/history/": false, "processors/task": true, "internal/config/keys.go": false,
		"internal/config/key.go": true, "session.go": false, "sessions.go": true, "bulk/scheduler.go": false, "history/scheduler.go": true,
		"go test ./processors/history -run X": false, "go test ./processors/known -run X": true,
		"TestTranscripts": false, "TestTranscriptsOfNobody": true,
		"bulk.Scheduler": false, "bulk.Runway": true, "kafka.Fetcher.Whole": false, "kafka.Fetcher.Half": true,
		"Body.Bound": false, "Body.Bounds": true, "session.tick": false, "session.tock": true,
		"workDuringCommit": false, "goAhead": true,
		"ingress.spool.after": false, "kafka.sasl.password_file": false, "kcat": false, "message.id": false,
	} {
		if missing := w.missing("docs/ARCHITECTURE.md", name, true); (missing != "") != found {
			t.Errorf("%s: %q, want found %v", name, missing, found)
		}
	}
}
