package packages

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Module returns the folder with the programs of a Go module that only tests need. Its go.mod keeps its dependencies out of the product's.
// The programs are static, one for each of the module's packages. They are built once for each content of its files.
func Module(t TB, folder string, linkerFlags string, commands ...string) (programs string) {
	t.Helper()
	compiler := Program(t, "go", "golang-go")
	var files []file
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // a file of this repository
		files = append(files, file{name, content})
		return err
	})
	if err != nil {
		t.Fatalf("the module in %s: %v", folder, err)
	}
	platform := strings.Join(append([]string{"go", runtime.Version(), linkerFlags}, commands...), " ")
	built := installed(t, platform, files, func(work string) error {
		for _, command := range commands {
			args := []string{"build", "-trimpath", "-ldflags", "-s -w " + linkerFlags, "-o", "bin" + string(filepath.Separator), command}
			if _, err := Output(t.Context(), work, []string{"CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off"}, compiler, args...); err != nil {
				return err
			}
		}
		return nil
	})
	return filepath.Join(built, "bin")
}
