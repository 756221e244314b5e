//go:build linux || darwin

package freespace

import (
	"errors"
	"fmt"
	"syscall"
)

// Of returns the free bytes on the disk of a folder for this user, and all bytes of the disk. It fails where the folder
// cannot be written to.
func Of(folder string) (free, all uint64, err error) {
	const writeAndSearch = 2 | 1
	if err := syscall.Access(folder, writeAndSearch); err != nil {
		return 0, 0, fmt.Errorf("cannot be written to: %w", err)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		return 0, 0, fmt.Errorf("ask the file system: %w", err)
	}
	if st.Blocks == 0 { // as for /proc, for any mode of the folder
		return 0, 0, errors.New("cannot be made: the file system has no room for files")
	}
	size := uint64(st.Bsize)
	return st.Bavail * size, st.Blocks * size, nil
}
