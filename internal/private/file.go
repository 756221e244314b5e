//go:build unix

package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// The modes of new folders and files.
const (
	FolderMode fs.FileMode = 0o700
	FileMode   fs.FileMode = 0o600

	others fs.FileMode = 0o077 // rights of the group and of everybody
)

// Mask makes every file and folder that this process makes private, those of libraries, too.
func Mask() { syscall.Umask(int(others)) }

// OpenFile is os.OpenFile for a regular file of this user, without following a link. A new file is private, and one
// that is there becomes so.
func OpenFile(path string, flag int) (*os.File, error) {
	// O_NONBLOCK: a named pipe must not make this wait for its other end.
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, FileMode)
	if errors.Is(err, syscall.ELOOP) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errLink}
	}
	if err != nil {
		return nil, err
	}
	if err := checkFile(f); err != nil {
		_ = f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return f, nil
}

var errLink = errors.New("is a symbolic link, which is not followed here")

func checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("is no regular file (%s)", info.Mode().Type())
	}
	owner, me := ownerOf(info), os.Geteuid()
	if owner != me && owner != 0 && me != 0 {
		return foreign(owner)
	}
	if owner == me && info.Mode().Perm()&others != 0 {
		return ignoreUnsupported(f.Chmod(FileMode))
	}
	return nil
}

// foreign is the error of a file or folder of another user.
func foreign(owner int) error {
	return fmt.Errorf("belongs to user %d, and this process runs as user %d", owner, os.Geteuid())
}

func ownerOf(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return os.Geteuid()
}

// ignoreUnsupported: file systems without modes refuse to set them, and a file of another user cannot be changed.
func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSYS) {
		return nil
	}
	return err
}

// ReadFile is os.ReadFile for a file that OpenFile opens.
func ReadFile(path string) ([]byte, error) {
	f, err := OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(f)
}

// Replace writes a file as a whole: readers see the old one or the new one.
func Replace(path string, content []byte) error {
	next := path + ".tmp"
	f, err := OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}
