package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ofTheProcess matches calls that change the Go runtime of the whole process.
var ofTheProcess = regexp.MustCompile(`runtime\.(SetDefault)?GOMAXPROCS\b(\([^0)]|\(\)|[^(])|debug\.Set(GCPercent|MemoryLimit|MaxStack|MaxThreads)\b`)

// TestOnlyTheProgramChangesItsRuntime: a library leaves GOMAXPROCS and the collector to internal/app. Tests and the
// bench are programs of their own.
func TestOnlyTheProgramChangesItsRuntime(t *testing.T) {
	read := 0
	for _, dir := range []string{"schemas", "ingress", "processors", "sinks", "internal"} {
		err := filepath.WalkDir(filepath.Join("../../..", dir), func(path string, e fs.DirEntry, err error) error {
			name := strings.TrimPrefix(path, "../../../")
			if err != nil || strings.HasPrefix(name, "internal/app/") || strings.HasPrefix(name, "internal/testing/") ||
				!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			read++
			if call := ofTheProcess.Find(source); call != nil {
				t.Errorf("%s has %s; only internal/app may change the runtime of its process", name, call)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 {
		t.Errorf("read %d files", read)
	}
}

func TestEachChangeOfTheRuntimeIsRefused(t *testing.T) {
	for source, want := range map[string]bool{
		"runtime.GOMAXPROCS(0)": false, "runtime.GOMAXPROCS(n)": true, "runtime.GOMAXPROCS(2)": true,
		"runtime.SetDefaultGOMAXPROCS()": true, "f := runtime.GOMAXPROCS\n": true, "debug.SetGCPercent(-1)": true,
		"debug.SetMemoryLimit(1)": true, "debug.FreeOSMemory()": false,
	} {
		if got := ofTheProcess.MatchString(source); got != want {
			t.Errorf("%s: refused %v, want %v", source, got, want)
		}
	}
}
