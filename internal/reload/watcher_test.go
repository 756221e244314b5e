package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/certtest"
)

// watching is a watcher of one file whose contents must not be "broken".
type watching struct {
	*Watcher
	reg    *prometheus.Registry
	log    bytes.Buffer
	loaded atomic.Pointer[string]
	loads  int
}

func watch(t *testing.T, path string) *watching {
	t.Helper()
	w := &watching{reg: prometheus.NewRegistry()}
	var err error
	if w.Watcher, err = NewWatcher(w.reg, slog.New(slog.NewTextHandler(&w.log, nil))); err != nil {
		t.Fatal(err)
	}
	err = w.Add(Set{Name: "secret", Files: []File{{"secret_file", path}}, Load: func(contents [][]byte) error {
		w.loads++
		s := string(contents[0])
		if s == "broken" {
			return errors.New("secret_file cannot be used")
		}
		w.loaded.Store(&s)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watching) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func (w *watching) settle() {
	for w.Look() {
	}
}

func (w *watching) want(t *testing.T, content string) {
	t.Helper()
	w.settle()
	if got := *w.loaded.Load(); got != content {
		t.Errorf("in force is %q, want %q", got, content)
	}
}

func TestChangedFileIsLoadedHoweverItWasChanged(t *testing.T) {
	dir := t.TempDir()
	path := certtest.Write(t, dir, "secret", []byte("first"))
	w := watch(t, path)
	w.want(t, "first")

	certtest.Write(t, dir, "secret", []byte("renamed over"))
	w.want(t, "renamed over")

	if err := os.WriteFile(path, []byte("in place"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(t, "in place")

	// The same length within the same second: neither time nor size need tell.
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("at place"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	w.want(t, "at place")

	loads := w.loads
	for range 3 {
		w.Look()
	}
	if w.loads != loads {
		t.Error("what has not changed was loaded again")
	}
	if n := w.metric(t, "coexstream_reloads_total"); n != 3 {
		t.Errorf("coexstream_reloads_total is %v", n)
	}
}

// Kubernetes keeps the files in a folder with a time in its name, a link ..data to it, and links to
// ..data/<file>; an update swaps ..data by a rename.
func TestKubernetesSwapOfALinkedFolderIsSeen(t *testing.T) {
	dir := t.TempDir()
	swap := func(version, content string) {
		folder := filepath.Join(dir, "..version_"+version)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		certtest.Write(t, folder, "secret", []byte(content))
		if err := os.Symlink(filepath.Base(folder), filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("1", "first")
	path := filepath.Join(dir, "secret")
	if err := os.Symlink(filepath.Join("..data", "secret"), path); err != nil {
		t.Fatal(err)
	}
	w := watch(t, path)
	swap("2", "second")
	w.want(t, "second")
	if err := os.RemoveAll(filepath.Join(dir, "..version_1")); err != nil {
		t.Fatal(err)
	}
	w.want(t, "second")
}

func TestWhatCannotBeLoadedLeavesTheFormerInForceAndIsTold(t *testing.T) {
	dir := t.TempDir()
	path := certtest.Write(t, dir, "secret", []byte("first"))
	w := watch(t, path)
	for i, change := range []func(){
		func() { certtest.Write(t, dir, "secret", []byte("broken")) },
		func() { _ = os.Remove(path) },
		func() { certtest.Write(t, dir, "secret", bytes.Repeat([]byte("x"), FileBytesMax+1)) },
	} {
		change()
		for range 4 {
			w.want(t, "first")
		}
		if n := w.metric(t, "coexstream_reload_failures_total"); n != float64(i+1) {
			t.Errorf("%d failures are counted as %v", i+1, n)
		}
		if w.metric(t, "coexstream_reload_stale") != 1 {
			t.Error("not told to be stale")
		}
		if n := strings.Count(w.log.String(), "level=WARN"); n != i+1 {
			t.Errorf("%d warnings after %d failures:\n%s", n, i+1, w.log.String())
		}
	}
	certtest.Write(t, dir, "secret", []byte("repaired"))
	w.want(t, "repaired")
	if w.metric(t, "coexstream_reload_stale") != 0 {
		t.Error("still told to be stale")
	}
	// Back to the active content, after a failure: not stale any more.
	certtest.Write(t, dir, "secret", []byte("broken"))
	w.settle()
	certtest.Write(t, dir, "secret", []byte("repaired"))
	w.want(t, "repaired")
	if w.metric(t, "coexstream_reload_stale") != 0 {
		t.Error("told to be stale although the file is as it was")
	}
}

func TestChangeIsTakenWhenTwoLooksHaveSeenIt(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, certtest.Write(t, dir, "secret", []byte("first")))
	for i := range 3 {
		certtest.Write(t, dir, "secret", fmt.Append(nil, "half written ", i))
		if !w.Look() || *w.loaded.Load() != "first" {
			t.Fatalf("look %d took %q", i, *w.loaded.Load())
		}
	}
	if w.Look() || *w.loaded.Load() != "half written 2" {
		t.Errorf("in force is %q", *w.loaded.Load())
	}
}

func TestFileThatCannotBeLoadedAtTheStartIsAnErrorThatNamesKeyAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing")
	err := Load(Set{Name: "secret", Files: []File{{"secret_file", path}}, Load: func([][]byte) error { return nil }})
	if err == nil || !strings.Contains(err.Error(), "secret_file") || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestRunLoadsAChangeAndEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, certtest.Write(t, dir, "secret", []byte("first")))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx, time.Millisecond) }()
	certtest.Write(t, dir, "secret", []byte("second"))
	for *w.loaded.Load() != "second" {
		select {
		case err := <-ended:
			t.Fatalf("ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("never loaded")
		default:
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
