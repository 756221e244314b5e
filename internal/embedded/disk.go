package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/coexstream/coexstream/internal/private"
)

// disk is the file system for recovery, verification and the broker's own files. Tests replace it by one that fails.
// The Kafka broker below (kfake) accepts no file system.
type disk interface {
	ReadFile(name string) ([]byte, error)
	ReadDir(name string) ([]os.DirEntry, error)
	Stat(name string) (os.FileInfo, error)
	OpenFile(name string, flag int) (diskFile, error)
	MkdirAll(name string) error
	Rename(from, to string) error
	Link(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
}

type diskFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// osDisk is the disk of the operating system. It follows no links, and its new files are private to the user.
type osDisk struct{}

func (osDisk) ReadFile(name string) ([]byte, error)       { return private.ReadFile(name) }
func (osDisk) ReadDir(name string) ([]os.DirEntry, error) { return os.ReadDir(name) }
func (osDisk) Stat(name string) (os.FileInfo, error)      { return os.Stat(name) }
func (osDisk) MkdirAll(name string) error                 { return os.MkdirAll(name, private.FolderMode) }
func (osDisk) Rename(from, to string) error               { return os.Rename(from, to) }
func (osDisk) Link(from, to string) error                 { return os.Link(from, to) }
func (osDisk) Remove(name string) error                   { return os.Remove(name) }
func (osDisk) RemoveAll(name string) error                { return os.RemoveAll(name) }

func (osDisk) OpenFile(name string, flag int) (diskFile, error) {
	return private.OpenFile(name, flag)
}

func (osDisk) SyncDir(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// folder is a broker's folder on a disk.
type folder struct {
	disk
	dir string
}

func (f folder) path(names ...string) string {
	return filepath.Join(append([]string{f.dir}, names...)...)
}

func (f folder) exists(path string) bool {
	_, err := f.Stat(path)
	return err == nil
}

// size returns the size of a file, or -1 if it is unknown.
func (f folder) size(path string) int64 {
	info, err := f.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// read returns a file's content, and whether it exists. Unreadable parts are zeros.
func (f folder) read(path string) ([]byte, bool, error) {
	b, err := f.ReadFile(path)
	if errors.Is(err, syscall.EIO) {
		b, err = f.salvage(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// salvage reads around the blocks that the disk cannot read.
func (f folder) salvage(path string) ([]byte, error) {
	const block = 4 << 10
	info, err := f.Stat(path)
	if err != nil {
		return nil, err
	}
	r, err := f.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	for at := int64(0); at < int64(len(b)); at += block {
		part := b[at:min(at+block, int64(len(b)))]
		if _, err := r.ReadAt(part, at); errors.Is(err, syscall.EIO) {
			clear(part)
		} else if err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return b, r.Close()
}

// replace writes a file as a whole: a kill or a power cut leaves the old one or the new one.
func (f folder) replace(path string, content []byte) error {
	if err := f.writeAt(path+".tmp", content, 0); err != nil {
		return err
	}
	if err := f.Rename(path+".tmp", path); err != nil {
		return err
	}
	return f.SyncDir(filepath.Dir(path))
}

// writeAt cuts a file at a position and writes there, synced.
func (f folder) writeAt(path string, content []byte, at int64) error {
	w, err := f.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	err = w.Truncate(at)
	if err == nil {
		_, err = w.WriteAt(content, at)
	}
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

func (f folder) truncate(path string, size int64) error {
	w, err := f.OpenFile(path, os.O_RDWR)
	if err != nil {
		return err
	}
	err = w.Truncate(size)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// isJSON reads b into v and reports whether b is such JSON. Anything else is damage, and no error.
func isJSON(b []byte, v any) bool { return json.Unmarshal(b, v) == nil }

// readJSON reads a file into v and reports whether it exists.
func (f folder) readJSON(path string, v any) (bool, error) {
	b, found, err := f.read(path)
	if err != nil || !found {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return true, fmt.Errorf("read %s: %w", path, err)
	}
	return true, nil
}

func (f folder) writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.replace(path, b)
}

// appendToLog adds entries to a state log whose first valid bytes are whole.
func appendToLog[E any](f folder, path string, valid int64, entries []E) error {
	if len(entries) == 0 {
		return nil
	}
	var b []byte
	for _, e := range entries {
		var err error
		if b, err = appendEntry(b, e); err != nil {
			return err
		}
	}
	return f.writeAt(path, b, valid)
}

func (f folder) removeIfThere(path string) error {
	if err := f.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f folder) removeSegment(partition string, base int64) error {
	return errors.Join(f.Remove(dataFile(partition, base)), f.removeIfThere(indexFile(partition, base)))
}
