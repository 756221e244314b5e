package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clockReads returns the places of a Go file that read a clock. Waits and timers are none.
func clockReads(name string, source []byte) ([]string, error) {
	all, err := effects(name, source)
	return slices.DeleteFunc(all, func(e string) bool {
		return !slices.ContainsFunc([]string{"time.Now", "time.Since", "time.Until"}, func(f string) bool { return strings.HasSuffix(e, " uses "+f) })
	}), err
}

// TestTheProcessorHasOneClock: all times of processors come from Deps.Now, so that a test that sets the clock sets all of
// them. Only the default of Deps.Now names the clock of the machine.
func TestTheProcessorHasOneClock(t *testing.T) {
	const root = "../../.."
	var found []string
	err := filepath.WalkDir(filepath.Join(root, "processors"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		reads, err := clockReads(strings.TrimPrefix(filepath.ToSlash(path), root+"/"), source)
		found = append(found, reads...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !strings.HasPrefix(found[0], "processors/processor.go:") {
		t.Errorf("these read a clock; use Deps.Now: %s", strings.Join(found, "; "))
	}
}

func TestEachReadOfAClockIsFound(t *testing.T) {
	for source, want := range map[string]string{
		"import \"time\"\nvar x = time.Now()":                "3: uses time.Now",
		"import \"time\"\nvar x = time.Now":                  "3: uses time.Now",
		"import now \"time\"\nvar x = now.Since(now.Time{})": "3: uses time.Since",
		"import \"time\"\nvar x = time.Until(time.Time{})":   "3: uses time.Until",
		"import \"time\"\nvar x = time.After(1)":             "", // a wait
		"import \"os\"\nvar x = time.Unix(0, 0)":             "",
	} {
		all, err := clockReads("x.go", []byte("package x\n"+source))
		if got := strings.TrimPrefix(strings.Join(all, "; "), "x.go:"); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", source, got, err, want)
		}
	}
}
