package postgresserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// ErrUnavailable is why PostgreSQL cannot be run here.
var ErrUnavailable = errors.New("PostgreSQL cannot be had here") //nolint:staticcheck // a name

// debianFolders are where Debian's packages put the programs of each version.
const debianFolders = "/usr/lib/postgresql/*/bin"

// folder has initdb and postgres: those in the PATH, or the newest of Debian's. install gets the package where they are missing.
func folder(ctx context.Context, debian string, install bool) (string, error) {
	if dir, ok := installed(debian); ok {
		return dir, nil
	}
	if !install {
		return "", fmt.Errorf("%w: no initdb is found; install the package postgresql", ErrUnavailable)
	}
	if _, err := required.Program(ctx, "initdb", "postgresql"); err != nil {
		if dir, ok := installed(debian); ok { // Debian's programs are not in the PATH
			return dir, nil
		}
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if dir, ok := installed(debian); ok {
		return dir, nil
	}
	return "", fmt.Errorf("%w: the package postgresql was installed, but has no initdb", ErrUnavailable)
}

func installed(debian string) (dir string, ok bool) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), true
		}
	}
	found, _ := filepath.Glob(debian)
	newest := -1
	for _, d := range found {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(d)))
		if _, missing := os.Stat(filepath.Join(d, "initdb")); err == nil && missing == nil && version > newest {
			dir, newest = d, version
		}
	}
	return dir, newest >= 0
}
