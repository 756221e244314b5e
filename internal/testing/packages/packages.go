// Package packages installs what tests need from the registries of npm, PyPI and Go, in pinned versions, into the cache folder of the user.
// A test is left out where that is not possible (package required).
package packages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// TB is the test that needs a package.
type TB interface {
	required.TB
	Context() context.Context
}

// Program finds a program, installs its Debian package where that is possible, and leaves the test out otherwise.
func Program(t TB, name, pkg string) string {
	t.Helper()
	path, err := required.Program(t.Context(), name, pkg)
	if err != nil {
		required.LeaveOut(t, err)
	}
	return path
}

// file is a list of packages as its tool reads it.
type file struct {
	name    string
	content []byte
}

// one installs at a time: the others find what it made.
var one sync.Mutex

// installed returns the folder with what install made of the lists. It is made once for each content of them.
func installed(t TB, platform string, lists []file, install func(folder string) error) string {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	folder, err := installedAt(platform, lists, install)
	if err != nil {
		required.LeaveOut(t, err)
	}
	return folder
}

func installedAt(platform string, lists []file, install func(folder string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w", err)
	}
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, runtime.GOOS, runtime.GOARCH, platform) // a hash takes everything
	for _, l := range lists {
		sum.Write(l.content)
	}
	folder := filepath.Join(cache, "coexstream", "packages-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil { //nolint:gosec // packages are no secret
		return "", err
	}
	// Installed beside, and moved: nobody ever sees half of it.
	work, err := os.MkdirTemp(filepath.Dir(folder), "install-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) //nolint:errcheck // no more than litter
	for _, l := range lists {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(work, l.name)), 0o755); err != nil { //nolint:gosec // packages are no secret
			return "", err
		}
		if err := os.WriteFile(filepath.Join(work, l.name), l.content, 0o644); err != nil { //nolint:gosec // neither are their names
			return "", err
		}
	}
	if err := install(work); err != nil {
		return "", err
	}
	if err := os.Rename(work, folder); err != nil {
		if _, there := os.Stat(folder); there != nil { // nobody else was quicker
			return "", err
		}
	}
	return folder, nil
}

// Node returns Node.js, and the folder node_modules with the packages of package.json and its lock file.
func Node(t TB, list, lock []byte) (node, modules string) {
	t.Helper()
	node, npm := Program(t, "node", "nodejs"), Program(t, "npm", "npm")
	folder := installed(t, "node", []file{{"package.json", list}, {"package-lock.json", lock}}, func(folder string) error {
		_, err := Output(t.Context(), folder, nil, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		return err
	})
	return node, filepath.Join(folder, "node_modules")
}

// Python returns Python, and the environment in which it finds the packages of requirements.txt.
func Python(t TB, requirements []byte) (python string, env []string) {
	t.Helper()
	python = Program(t, "python3", "python3-pip")
	version, err := Output(t.Context(), "", nil, python, "--version")
	if err != nil {
		t.Fatalf("%v", err)
	}
	folder := installed(t, version, []file{{"requirements.txt", requirements}}, func(folder string) error {
		_, err := Output(t.Context(), folder, nil, python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
			"--root-user-action", "ignore", "--target", "packages", "-r", "requirements.txt")
		return err
	})
	packages := filepath.Join(folder, "packages")
	return python, []string{
		"PYTHONPATH=" + packages, "PYTHONDONTWRITEBYTECODE=1",
		"PATH=" + filepath.Join(packages, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
}

// Output runs a program in a folder, and returns what it printed.
func Output(ctx context.Context, folder string, env []string, name string, args ...string) (string, error) {
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
