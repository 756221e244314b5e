package spool

import "io"

// FS is the part of a file system that a spool uses. Names are paths. Errors are those of package os.
type FS interface {
	MkdirAll(dir string) error
	// Create makes a file. It fails when the file exists.
	Create(name string) (File, error)
	Open(name string) (File, error)
	ReadDir(dir string) ([]FileInfo, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the entries of a folder durable.
	SyncDir(dir string) error
	// Lock locks a folder for this process until Close, or until the process ends.
	Lock(dir string) (io.Closer, error)
}

// File is an open file. Writes append.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Sync() error
}

// FileInfo is one file of a folder.
type FileInfo struct {
	Name string
	Size int64
}
