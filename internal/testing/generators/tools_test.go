package generators

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/required"
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
	path, err := required.Program(t.Context(), name, pkg)
	if err != nil {
		required.LeaveOut(t, err)
	}
	return path
}

// installed returns the folder with what install made of the manifests. It is in the cache folder of the user, and made
// once for each content of them.
func installed(t *testing.T, platform string, manifests []string, install func(folder string) error) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		required.LeaveOut(t, fmt.Errorf("no cache folder: %w", err))
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.GOOS, runtime.GOARCH, platform)
	for _, m := range manifests {
		sum.Write(content(t, m))
	}
	folder := filepath.Join(cache, "coexstream", "generators-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil { //nolint:gosec // packages are no secret
		t.Fatal(err)
	}
	// Installed beside, and moved: nobody ever sees half of it.
	work, err := os.MkdirTemp(filepath.Dir(folder), "install-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // no more than litter
	for _, m := range manifests {
		write(t, filepath.Join(work, m), content(t, m))
	}
	if err := install(work); err != nil {
		required.LeaveOut(t, err)
	}
	if err := os.Rename(work, folder); err != nil {
		if _, there := os.Stat(folder); there != nil { // nobody else was quicker
			t.Fatal(err)
		}
	}
	return folder
}

// node is Node.js. In the folder it finds the packages of package.json.
func node(t *testing.T, folder string) string {
	t.Helper()
	node, npm := program(t, "node", "nodejs"), program(t, "npm", "npm")
	packages := installed(t, "node", []string{"package.json", "package-lock.json"}, func(folder string) error {
		_, err := output(t.Context(), folder, nil, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		return err
	})
	if err := os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "package.json"), content(t, "package.json"))
	return node
}

// python is Python, and the environment in which it finds the packages of requirements.txt.
func python(t *testing.T) (python string, env []string) {
	t.Helper()
	python = program(t, "python3", "python3-pip")
	version, err := output(t.Context(), "", nil, python, "--version")
	if err != nil {
		t.Fatal(err)
	}
	folder := installed(t, version, []string{"requirements.txt"}, func(folder string) error {
		_, err := output(t.Context(), folder, nil, python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
			"--root-user-action", "ignore", "--target", "packages", "-r", "requirements.txt")
		return err
	})
	packages := filepath.Join(folder, "packages")
	return python, []string{
		"PYTHONPATH=" + packages, "PYTHONDONTWRITEBYTECODE=1",
		"PATH=" + filepath.Join(packages, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
}

// output runs a program in a folder.
func output(ctx context.Context, folder string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stderr.Bytes(), stdout.Bytes())
	}
	return stdout.String(), nil
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
