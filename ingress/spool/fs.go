package spool

import "io"

// FS is the part of a file system that a spool uses. Names are paths. Errors are those of package os.
type FS interface {
	MkdirAll(dir string) error
	// Create makes a file that must not be there yet.
	Create(name string) (File, error)
	Open(name string) (File, error)
	ReadDir(dir string) ([]FileInfo, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the folder's entries durable.
	SyncDir(dir string) error
	// Lock takes the exclusive right to a folder; it ends with Close, or with the process.
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
