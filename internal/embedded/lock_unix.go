//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/internal/private"
)

// ErrLocked reports that another process uses the folder.
var ErrLocked = errors.New("in use by another process")

// Lock is the exclusive right to a folder. It ends with the process, in every case.
type Lock struct{ f *os.File }

// A process that was killed holds the lock until the kernel has freed its memory.
const lockPatience = 3 * time.Second

// Acquire creates the folder if needed and takes its lock. It waits a moment for a process that is stopping.
func Acquire(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, private.FolderMode); err != nil {
		return nil, fmt.Errorf("create data folder %s: %w", dir, err)
	}
	path := filepath.Join(dir, "lock")
	f, err := private.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open lock of data folder: %w", err)
	}
	deadline := time.Now().Add(lockPatience)
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for errors.Is(err, syscall.EWOULDBLOCK) && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		pid, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is %w (pid %s): stop it, or choose another folder with --data-dir", dir, ErrLocked, strings.TrimSpace(string(pid)))
		}
		return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("write lock of data folder %s: %w", dir, err)
		}
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
