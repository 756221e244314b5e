//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/coexstream/coexstream/internal/private"
)

// Lock is the exclusive right to a folder. It ends with the process, in every case.
type Lock struct{ f *os.File }

// Acquire creates the folder if needed and takes its lock. The error is private.ErrInUse while another process uses it.
func Acquire(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, private.FolderMode); err != nil {
		return nil, fmt.Errorf("create data folder %s: %w", dir, err)
	}
	f, err := private.Lock(filepath.Join(dir, "lock"))
	switch {
	case errors.Is(err, private.ErrInUse):
		return nil, fmt.Errorf("data folder %s is %w: stop it, or choose another folder with --data-dir", dir, err)
	case err != nil:
		return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
	}
	return &Lock{f}, nil
}

// Release releases the folder. The file stays: removing it would let two processes lock two files of the same name.
func (l *Lock) Release() error { return l.f.Close() }

// InUse reports whether a process uses the folder. It changes nothing.
func InUse(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock of data folder %s: %w", dir, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock of data folder %s: %w", dir, err)
	}
	return false, nil
}
