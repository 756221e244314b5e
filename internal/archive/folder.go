package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/private"
)

// Folder is a bucket in a folder. A file has its name only when its content is on the disk: it is written under another name, fsynced,
// and linked, which fails where the name is taken, also by another process. Then the folder is fsynced, with those above it when this
// process uses it for the first time.
type Folder struct {
	root string

	mu     sync.Mutex
	synced map[string]bool // folders whose parents are durable
}

// temporary begins and ends the names of files that are being written. Those of processes that were killed are removed after a time.
const (
	temporary    = ".writing-"
	temporaryMax = time.Hour
)

// NewFolder uses a folder, which must exist.
func NewFolder(root string) (*Folder, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", root)
	}
	return &Folder{root: filepath.Clean(root), synced: map[string]bool{}}, nil
}

// Close has nothing to do.
func (f *Folder) Close() error { return nil }

// Create implements Bucket.
func (f *Folder) Create(_ context.Context, name string, content []byte) error {
	return f.write(name, bytes.NewReader(content), linked)
}

// linked gives a file a name that is not taken.
func linked(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return fmt.Errorf("%w (the archive needs a file system with hard links)", err)
	}
	return os.Remove(from)
}

// Replace implements Bucket.
func (f *Folder) Replace(_ context.Context, name string, content []byte) error {
	return f.write(name, bytes.NewReader(content), os.Rename)
}

// write writes under a temporary name, and has it placed.
func (f *Folder) write(name string, content io.ReadSeeker, place func(from, to string) error) error {
	to := filepath.Join(f.root, filepath.FromSlash(name))
	dir := filepath.Dir(to)
	from, err := f.stage(dir, content)
	if errors.Is(err, fs.ErrNotExist) { // somebody renamed the folder since it was prepared
		f.forget()
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return err
		}
		from, err = f.stage(dir, content)
	}
	if err != nil {
		return err
	}
	err = place(from, to)
	if err != nil {
		err = errors.Join(err, ignoreMissing(os.Remove(from)))
	}
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	// The name that another process made must be durable, too, before anybody continues behind it.
	return errors.Join(err, syncFolder(dir))
}

// stage writes under a temporary name.
func (f *Folder) stage(dir string, content io.Reader) (from string, err error) {
	if err := f.prepare(dir); err != nil {
		return "", err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	from = filepath.Join(dir, temporary+hex.EncodeToString(random[:]))
	if err := writeSynced(from, content); err != nil {
		return "", errors.Join(err, ignoreMissing(os.Remove(from)))
	}
	return from, nil
}

// forget lets all folders be prepared again.
func (f *Folder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.synced)
}

func writeSynced(file string, content io.Reader) error {
	f, err := private.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// prepare makes a folder durable with those above it, and removes what killed processes left in it.
func (f *Folder) prepare(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.synced[dir] {
		return nil
	}
	if err := os.MkdirAll(dir, private.FolderMode); err != nil {
		return err
	}
	for at := dir; at != f.root; {
		at = filepath.Dir(at)
		if err := syncFolder(at); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), temporary) && time.Since(info.ModTime()) > temporaryMax {
			if err := ignoreMissing(os.Remove(filepath.Join(dir, e.Name()))); err != nil {
				return err
			}
		}
	}
	f.synced[dir] = true
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Open implements Bucket.
func (f *Folder) Open(_ context.Context, name string, length int64) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(f.root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if length < 0 {
		return file, nil
	}
	return limited{io.LimitReader(file, length), file}, nil
}

type limited struct {
	io.Reader
	io.Closer
}

// List implements Bucket.
func (f *Folder) List(ctx context.Context, prefix string, yield func(string, int64) error) error {
	// Only the folder that the prefix names is read, with those below it.
	err := f.walk(ctx, path.Dir(prefix+"x"), prefix, yield)
	return ignoreMissing(err)
}

func (f *Folder) walk(ctx context.Context, dir, prefix string, yield func(string, int64) error) error {
	entries, err := os.ReadDir(filepath.Join(f.root, filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), temporary):
		case e.IsDir():
			if strings.HasPrefix(name+"/", prefix) || strings.HasPrefix(prefix, name+"/") {
				if err := f.walk(ctx, name, prefix, yield); err != nil {
					return err
				}
			}
		case strings.HasPrefix(name, prefix):
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return err
			}
			if err := yield(name, info.Size()); err != nil {
				return err
			}
		}
	}
	return nil
}
