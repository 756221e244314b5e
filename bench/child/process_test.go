package child

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, script string, ready func(context.Context) error) (*Process, error) {
	t.Helper()
	return Start(t.Context(), Command{Name: "script", Args: []string{"sh", "-c", script}, Log: filepath.Join(t.TempDir(), "log"), Ready: ready})
}

// exists is ready when the file is there.
func exists(path string) func(context.Context) error {
	return func(context.Context) error {
		_, err := os.Stat(path)
		return err
	}
}

func TestCPUCountsWhatAProcessStarted(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIP: it needs Linux's /proc")
	}
	ready := filepath.Join(t.TempDir(), "ready")
	// One child that has ended and was waited for, one that still runs, each with work behind it.
	work := `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`
	p, err := start(t, `sh -c '`+work+`'; sh -c '`+work+`; touch `+ready+`; sleep 100' & wait`, exists(ready))
	if err != nil {
		t.Fatal(err)
	}
	// A signal to sh leaves its child to itself: the whole group is this test's to end.
	defer p.killGroup()
	used, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if used < 20*time.Millisecond {
		t.Errorf("two loops of 200,000 steps took %s", used)
	}
	rss, err := p.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	if rss < 1<<20 {
		t.Errorf("three processes have a peak of %d bytes", rss)
	}
}

func TestAStartThatFailsTellsTheLastWords(t *testing.T) {
	_, err := start(t, `echo "no such broker" >&2; exit 3`, func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "no such broker") || !strings.Contains(err.Error(), "script") {
		t.Errorf("%v", err)
	}
}

func TestStopWaitsForTheEnd(t *testing.T) {
	dir := t.TempDir()
	ready, ended := filepath.Join(dir, "ready"), filepath.Join(dir, "ended")
	p, err := start(t, `trap 'touch `+ended+`; exit 0' TERM; touch `+ready+`; while :; do sleep 0.01; done`, exists(ready))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ended); err != nil {
		t.Error("Stop returned before the process had ended in order")
	}
}

func TestRunTellsWhatWentWrong(t *testing.T) {
	out, err := Run(t.Context(), Command{Name: "cat", Args: []string{"cat"}}, []byte("in"))
	if err != nil || string(out) != "in" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = Run(t.Context(), Command{Name: "script", Args: []string{"sh", "-c", "echo broken >&2; exit 1"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("%v", err)
	}
}
