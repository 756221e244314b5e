package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a small file system that can be filled up.
type disk struct{ dir string }

const diskBytes = 64 << 20

// newDisk mounts one. It needs the right to.
func newDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes)); err != nil {
		return nil, fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
	}
	return &disk{dir: dir}, nil
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill takes all the space that is left.
func (d *disk) fill() error {
	f, err := os.Create(d.filler())
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		_, err = f.Write(block)
		if err != nil {
			block = block[:len(block)/2] // the last bytes, too
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(fmt.Errorf("fill the disk: %w", err), f.Close())
	}
	if err := f.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}

// free gives the space back.
func (d *disk) free() error {
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}

// unmount removes the file system with its content.
func (d *disk) unmount(out io.Writer) {
	if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
		_, _ = fmt.Fprintf(out, "chaos: unmount %s: %v\n", d.dir, err)
	}
}
