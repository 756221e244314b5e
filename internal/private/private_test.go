//go:build unix

package private

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// give gives a file or folder to somebody else, which only root can.
func give(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of somebody else")
	}
	if err := os.Lchown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string, mode fs.FileMode, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func openFolder(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreNotOpenedThroughLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	open(t, target, 0o600, "what others own")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"read":    func() error { _, err := ReadFile(link); return err },
		"write":   func() error { _, err := OpenFile(link, os.O_CREATE|os.O_TRUNC|os.O_WRONLY); return err },
		"lock":    func() error { _, err := OpenFile(link, os.O_CREATE|os.O_RDWR); return err },
		"replace": func() error { return errors.Join(os.Symlink(target, link+"2.tmp"), Replace(link+"2", []byte("x"))) },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "symbolic link") || !strings.Contains(err.Error(), link) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "what others own" {
		t.Errorf("the link's target holds %q, %v", b, err)
	}
	// A link under the name itself is replaced, not followed.
	if err := Replace(link, []byte("ours")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "what others own" {
		t.Errorf("after Replace the former target holds %q, %v", b, err)
	}
	if b, err := ReadFile(link); err != nil || string(b) != "ours" {
		t.Errorf("read again: %q, %v", b, err)
	}
}

func TestOnlyRegularFilesAreOpenedAndNobodyIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 3)
	for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR} {
		go func() { _, err := OpenFile(pipe, flag); ended <- err }()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("a pipe was opened with %d", flag)
			}
		case <-time.After(time.Minute):
			t.Fatalf("opening a pipe with %d waits", flag)
		}
	}
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestFilesAreMadeAndBecomePrivate(t *testing.T) {
	dir := t.TempDir()
	fresh, old := filepath.Join(dir, "fresh"), filepath.Join(dir, "old")
	open(t, old, 0o644, "0123")
	for _, path := range []string{fresh, old} {
		f, err := OpenFile(path, os.O_CREATE|os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if mode := modeOf(t, path); mode != FileMode {
			t.Errorf("%s: %s", path, mode)
		}
	}
	open(t, fresh, 0o666, "")
	if err := Replace(fresh, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if mode := modeOf(t, fresh); mode != FileMode {
		t.Errorf("replaced: %s", mode)
	}
}

func TestFilesOfSomebodyElseAreRefusedUnlessOneIsRoot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets")
	open(t, path, 0o644, "planted")
	give(t, path)
	if _, err := ReadFile(path); err != nil {
		t.Errorf("root: %v", err)
	}
	openFolder(t, dir, 0o755)
	openFolder(t, filepath.Dir(dir), 0o755)
	if runtime.GOOS != "linux" {
		t.Skip("a thread of another user can only be had on Linux")
	}
	// This thread becomes another user, one that owns nothing here, and ends with the test's goroutine.
	done := make(chan error)
	go func() {
		asUser(t, nobody-1)
		_, err := ReadFile(path)
		done <- err
	}()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("another user: %v", err)
	}
}

func TestFolderThatIsOpenToOthersIsClosedAndTold(t *testing.T) {
	for _, mode := range []fs.FileMode{0o755, 0o777, 0o750, 0o701} {
		var log bytes.Buffer
		dir := filepath.Join(t.TempDir(), "data")
		openFolder(t, dir, mode)
		open(t, filepath.Join(dir, "lock"), 0o600, "")
		if err := Folder(dir, func(name string) bool { return name == "lock" }, logTo(&log)); err != nil {
			t.Fatal(err)
		}
		if is := modeOf(t, dir); is != FolderMode || !strings.Contains(log.String(), dir) || !strings.Contains(log.String(), mode.String()[1:]) {
			t.Errorf("%s: %s, log %q", mode, is, &log)
		}
		log.Reset()
		if err := Folder(dir, nil, logTo(&log)); err != nil || log.Len() > 0 {
			t.Errorf("closed already: %v, log %q", err, &log)
		}
	}
	fresh := filepath.Join(t.TempDir(), "a", "b")
	if err := Folder(fresh, nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if a, b := modeOf(t, filepath.Dir(fresh)), modeOf(t, fresh); a != FolderMode || b != FolderMode {
		t.Errorf("new folders: %s, %s", a, b)
	}
}

// Closing /tmp, or a project, because somebody made it the data folder would break what others do there.
func TestFolderWithFilesOfOthersIsNotChanged(t *testing.T) {
	var log bytes.Buffer
	ours := func(name string) bool { return name == "lock" }
	dir := filepath.Join(t.TempDir(), "project")
	openFolder(t, dir, 0o755)
	open(t, filepath.Join(dir, "main.go"), 0o644, "")
	if err := Folder(dir, ours, logTo(&log)); err != nil || modeOf(t, dir) != 0o755 || !strings.Contains(log.String(), "files of other programs") {
		t.Errorf("%v, %s, log %q", err, modeOf(t, dir), &log)
	}
	openFolder(t, dir, 0o777)
	if err := Folder(dir, ours, logTo(&log)); err == nil || !strings.Contains(err.Error(), dir) || modeOf(t, dir) != 0o777 {
		t.Errorf("others may write: %v, %s", err, modeOf(t, dir))
	}
	shared := filepath.Join(t.TempDir(), "tmp")
	openFolder(t, shared, 0o777|fs.ModeSticky)
	if err := Folder(shared, ours, logTo(&log)); err == nil || modeOf(t, shared) != 0o777 {
		t.Errorf("a folder that all users share: %v", err)
	}
}

func TestFolderOfSomebodyElseIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	openFolder(t, dir, 0o777)
	give(t, dir)
	for name, use := range map[string]func() error{
		"folder": func() error { return Folder(dir, nil, slog.New(slog.DiscardHandler)) },
		"tree":   func() error { return Tree(dir, slog.New(slog.DiscardHandler)) },
	} {
		if err := use(); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") || !strings.Contains(err.Error(), "chown") {
			t.Errorf("%s: %v", name, err)
		}
	}
	own := filepath.Join(t.TempDir(), "own")
	openFolder(t, own, 0o700)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	if err := Folder(link, nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("through one's own link: %v", err)
	}
	give(t, link)
	if err := Folder(link, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("through somebody else's link: %v", err)
	}
}

func TestTreeIsClosedAsAWholeAndHoldsNoLinks(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "broker")
	sub := filepath.Join(dir, "partitions", "a-0")
	for _, folder := range []string{dir, filepath.Dir(sub), sub} {
		openFolder(t, folder, 0o755)
	}
	open(t, filepath.Join(sub, "0.dat"), 0o644, "messages")
	open(t, filepath.Join(dir, "topics.json"), 0o664, "{}")
	if err := Tree(dir, logTo(&log)); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if mode := modeOf(t, path); mode&0o077 != 0 {
			t.Errorf("%s: %s", path, mode)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "files=2 folders=2") {
		t.Errorf("log: %s", &log)
	}
	log.Reset()
	if err := Tree(dir, logTo(&log)); err != nil || log.Len() > 0 {
		t.Errorf("again: %v, log %q", err, &log)
	}
	link := filepath.Join(sub, "8.dat")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	if err := Tree(dir, logTo(&log)); err == nil || !strings.Contains(err.Error(), link) {
		t.Errorf("with a link in it: %v", err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	open(t, link, 0o600, "planted")
	give(t, link)
	if err := Tree(dir, logTo(&log)); err == nil || !strings.Contains(err.Error(), link) {
		t.Errorf("with a file of somebody else in it: %v", err)
	}
}

// A volume that is mounted into a container belongs to root, and this user may write to it.
func TestFolderOfRootIsTakenAsItIs(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root can become somebody else, and only on Linux for one thread")
	}
	volume := filepath.Join(t.TempDir(), "volume")
	openFolder(t, volume, 0o777)
	openFolder(t, filepath.Dir(volume), 0o755)
	openFolder(t, filepath.Dir(filepath.Dir(volume)), 0o755)
	var log bytes.Buffer
	broker, file := filepath.Join(volume, "broker"), filepath.Join(volume, "lock")
	done := make(chan error)
	go func() {
		asUser(t, nobody-1)
		err := Folder(volume, func(string) bool { return true }, logTo(&log))
		if err == nil {
			err = Tree(broker, logTo(&log))
		}
		if err == nil {
			var f *os.File
			if f, err = OpenFile(file, os.O_CREATE|os.O_RDWR); err == nil {
				err = f.Close()
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "belongs to root and is open to others") || modeOf(t, volume) != 0o777 {
		t.Errorf("%s, log %q", modeOf(t, volume), &log)
	}
	if a, b := modeOf(t, broker), modeOf(t, file); a != FolderMode || b != FileMode {
		t.Errorf("made in it: %s, %s", a, b)
	}
}
