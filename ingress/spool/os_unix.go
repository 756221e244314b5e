//go:build unix

package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/coexstream/coexstream/internal/private"
)

// OS is the file system of the machine. It makes files and folders for this user alone, and follows no link to a file.
type OS struct{ Logger *slog.Logger } // warns of folders that were open to other users; nil: no warnings

const lockName = "lock"

// MkdirAll implements FS.
func (o OS) MkdirAll(dir string) error {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return private.Folder(dir, nil, log)
}

// Create implements FS.
func (OS) Create(name string) (File, error) {
	f, err := private.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open implements FS.
func (OS) Open(name string) (File, error) {
	f, err := private.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// ReadDir implements FS.
func (OS) ReadDir(dir string) ([]FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []FileInfo
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		files = append(files, FileInfo{e.Name(), info.Size()})
	}
	return files, nil
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock implements FS. It works on a full and on a read-only disk when the lock's file is there already.
func (OS) Lock(dir string) (io.Closer, error) {
	f, err := private.Lock(filepath.Join(dir, lockName))
	switch {
	case errors.Is(err, private.ErrInUse):
		return nil, fmt.Errorf("the spool %s is %w: give every process a folder of its own with ingress.spool.dir", dir, err)
	case err != nil:
		return nil, fmt.Errorf("lock the spool %s: %w", dir, err)
	}
	return f, nil
}
