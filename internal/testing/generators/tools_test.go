package generators

import (
	"context"
	"embed"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/packages"
	"github.com/coexstream/coexstream/schemas"
)

//go:embed testdata
var testdata embed.FS

// gateName is the variable that lets these tests run.
const gateName = "COEXSTREAM_TEST_SCHEMAS"

// gate keeps the generators out of the ordinary test run, and lets them run beside each other.
func gate(t *testing.T) {
	t.Helper()
	if os.Getenv(gateName) == "" {
		t.Skipf("SKIP: it needs code generators from package registries; run make test-schemas, or set %s=1", gateName)
	}
	t.Parallel()
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// program finds a program, and leaves the test out where it cannot be had.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	return packages.Program(t, name, pkg)
}

// node is Node.js. In the folder it finds the packages of package.json.
func node(t *testing.T, folder string) string {
	t.Helper()
	node, modules := packages.Node(t, content(t, "package.json"), content(t, "package-lock.json"))
	if err := os.Symlink(modules, filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "package.json"), content(t, "package.json"))
	return node
}

// python is Python, and the environment in which it finds the packages of requirements.txt.
func python(t *testing.T) (python string, env []string) {
	t.Helper()
	return packages.Python(t, content(t, "requirements.txt"))
}

// output runs a program in a folder.
func output(ctx context.Context, folder string, env []string, name string, args ...string) (string, error) {
	return packages.Output(ctx, folder, env, name, args...)
}

// run fails the test when the program fails.
func run(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := output(t.Context(), folder, env, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// workFolder has the schemas where the repository has them.
func workFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "schemas", "asyncapi.yaml"), schemas.AsyncAPI())
	for _, name := range schemas.JSONSchemaNames() {
		b, _ := schemas.JSONSchema(name)
		write(t, filepath.Join(folder, "schemas", "jsonschema", name+".json"), b)
	}
	return folder
}

// guide is the code block of docs/consuming.md below the comment "generate NAME".
func guide(t *testing.T, name string) string {
	t.Helper()
	const file = "../../../docs/consuming.md"
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- generate " + name + " -->\n```\\w+\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatalf("%s does not say how to generate with %s", file, name)
	}
	return string(m[1])
}

// follow runs the commands of the guide. Instead of installing the tool it checks that it is there in the same version.
func follow(t *testing.T, folder string, env []string, name string) {
	t.Helper()
	var script strings.Builder
	for line := range strings.Lines(guide(t, name)) {
		spec, install := strings.CutPrefix(line, "pip install ")
		if install {
			if !strings.Contains(string(content(t, "requirements.txt")), spec) {
				t.Errorf("the guide installs %s, and requirements.txt something else", spec)
			}
			continue
		}
		if spec, install = strings.CutPrefix(line, "npm install --save-dev "); install {
			pkg, version, _ := strings.Cut(strings.TrimSpace(spec), "@")
			var manifest struct{ Dependencies map[string]string }
			if err := json.Unmarshal(content(t, "package.json"), &manifest); err != nil || manifest.Dependencies[pkg] != version {
				t.Errorf("the guide installs %s, package.json version %q (%v)", spec, manifest.Dependencies[pkg], err)
			}
			continue
		}
		script.WriteString(line)
	}
	run(t, folder, env, "sh", "-ec", script.String())
}
