package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// home is the folder and its subfolder of logs, as they were at the start.
type home struct{ dir, logs os.FileInfo }

// homeInterval is the interval at which the folder is looked for.
const homeInterval = time.Second

func (f folder) homeNow() (h home, err error) {
	if h.dir, err = f.Stat(f.dir); err != nil {
		return h, fmt.Errorf("look for the embedded broker's folder: %w", err)
	}
	h.logs, err = f.Stat(f.path("partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // there is no topic yet
	}
	return h, err
}

// checkHome returns an error if the folder was moved, removed or hidden by another mount. The broker would continue to write to its
// open files and acknowledge records that no later start finds.
func (b *Broker) checkHome() error {
	now, err := b.folder.homeNow()
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		b.log.Warn("the embedded broker cannot look at its folder", "error", err)
		return nil
	case err != nil || !os.SameFile(now.dir, b.home.dir), b.home.logs != nil && (now.logs == nil || !os.SameFile(now.logs, b.home.logs)):
		return fmt.Errorf("the embedded broker's folder %s was moved or removed while the broker used it: put it back before the next start", b.folder.dir)
	}
	b.home.logs = now.logs
	return nil
}
