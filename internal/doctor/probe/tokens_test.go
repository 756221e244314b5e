package probe

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The folder has the shape of a mounted Kubernetes secret in one provider, and that of files by hand in the other.
func TestModesOfTokenFilesAreLookedAt(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("token"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("meta/9", 0o600)
	write("meta/10", 0o644)
	write("meta/11", 0o666)
	write("360dialog/..2026_12_01/77", 0o440)
	write("README", 0o644) // no token
	for link, to := range map[string]string{"360dialog/..data": "..2026_12_01", "360dialog/77": "..data/77", "360dialog/78": "..data/78"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, "360dialog"), 0o777|os.ModeSticky), os.Mkdir(filepath.Join(dir, "open"), 0o700), os.Chmod(filepath.Join(dir, "open"), 0o777)); err != nil {
		t.Fatal(err)
	}
	got := tokenFiles(&Folder{Key: "desk.tokens_dir", Path: dir})
	if got.Files != 5 || got.Absent || got.Err != nil || !slices.Equal(got.Readable, []string{"meta/10"}) ||
		!slices.Equal(got.Writable, []string{"meta/11", "open"}) || !slices.Equal(got.Unread, []string{"360dialog/78"}) {
		t.Errorf("%+v", got)
	}
	if got = tokenFiles(&Folder{Path: filepath.Join(dir, "nowhere")}); !got.Absent {
		t.Errorf("%+v", got)
	}
	if got = tokenFiles(&Folder{Path: filepath.Join(dir, "README")}); got.Absent || got.Err == nil {
		t.Errorf("%+v", got)
	}
}
