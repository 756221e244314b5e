package probe

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/internal/doctor"
)

// tokenFiles looks at the modes of the files in a folder of tokens: PROVIDER/ID. It opens each to see whether it can be read, and reads nothing.
func tokenFiles(folder *Folder) *doctor.TokenFiles {
	t := &doctor.TokenFiles{Key: folder.Key, Path: folder.Path}
	providers, err := visible(folder.Path)
	if t.Absent = errors.Is(err, fs.ErrNotExist); err != nil {
		t.Err = err
		return t
	}
	if info, err := os.Stat(folder.Path); err == nil {
		lookAtFolder(t, ".", info)
	}
	for _, provider := range providers {
		path := filepath.Join(folder.Path, provider)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			t.Unread = append(t.Unread, provider)
			continue
		case !info.IsDir():
			continue // no token: the desk does not read it
		}
		lookAtFolder(t, provider, info)
		names, err := visible(path)
		if err != nil {
			t.Unread = append(t.Unread, provider)
		}
		for _, name := range names {
			lookAt(t, folder.Path, filepath.Join(provider, name))
		}
	}
	return t
}

// lookAtFolder notes a folder in which everybody can replace files. With the sticky bit, as in a Kubernetes secret, nobody can.
func lookAtFolder(t *doctor.TokenFiles, name string, info fs.FileInfo) {
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		t.Writable = append(t.Writable, name)
	}
}

func lookAt(t *doctor.TokenFiles, folder, name string) {
	t.Files++
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		t.Unread = append(t.Unread, name)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		t.Unread = append(t.Unread, name)
	case info.Mode().Perm()&0o002 != 0:
		t.Writable = append(t.Writable, name)
	case info.Mode().Perm()&0o004 != 0:
		t.Readable = append(t.Readable, name)
	}
}

// visible lists the names in a folder without those that begin with a dot, such as the versions of a Kubernetes secret.
func visible(path string) (names []string, err error) {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}
