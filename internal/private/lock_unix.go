//go:build unix

package private

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// ErrInUse reports that another process holds a lock.
var ErrInUse = errors.New("in use by another process")

// A process that was killed holds its lock until the kernel has freed its memory.
const lockPatience = 3 * time.Second

// Lock creates the file if needed and locks it. The lock ends when the file is closed, and with the process in every case.
// It waits a moment for a process that is stopping. ErrInUse comes with the id of the other process, which the
// file holds for people. A file that exists is enough on a full or read-only disk. The file must not be removed: two processes
// would lock two files of one name.
func Lock(path string) (*os.File, error) {
	f, err := OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		var readOnlyErr error
		if f, readOnlyErr = OpenFile(path, os.O_RDONLY); readOnlyErr != nil {
			return nil, err
		}
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
			return nil, fmt.Errorf("%w (pid %s)", ErrInUse, strings.TrimSpace(string(pid)))
		}
		return nil, err
	}
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return f, nil
}
