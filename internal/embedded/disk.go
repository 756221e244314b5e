package embedded

import (
	"errors"
	"os"

	"github.com/coexstream/coexstream/internal/private"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fileSize is the size of a file, or -1 when it cannot be told.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// writeSynced replaces a file's content.
func writeSynced(path string, content []byte) error {
	f, err := private.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func writeSyncedAt(path string, content []byte, at int64) error {
	f, err := private.OpenFile(path, os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, at)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func removeSegment(folder string, base int64) error {
	err := os.Remove(dataFile(folder, base))
	if e := os.Remove(indexFile(folder, base)); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}
