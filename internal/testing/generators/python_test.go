package generators

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// readAll runs the program that reads the golden events with generated types, and says how many it has read.
func readAll(t *testing.T, folder string, events int, env []string, name string, args ...string) {
	t.Helper()
	out := strings.TrimSpace(run(t, folder, env, name, args...))
	if out != strconv.Itoa(events) {
		t.Errorf("read %s events of %d", out, events)
	}
}

func TestPydanticModelsReadEveryEvent(t *testing.T) {
	gate(t)
	folder := workFolder(t)
	events := writeEvents(t, folder).Events
	python, env := python(t)
	follow(t, folder, env, "python")
	write(t, filepath.Join(folder, "read.py"), content(t, "read.py"))
	readAll(t, folder, len(events), env, python, "read.py")
}
