package media

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

// stage is the folder of partial downloads. A file there belongs to one event, so that a later attempt continues it, and
// another event with the same asset never writes to it.
type stage struct{ dir string }

const partial = ".part"

// prepare makes the folder, and removes the files of assets that expired.
func (s stage) prepare(now time.Time, life time.Duration) error {
	if err := os.MkdirAll(s.dir, private.FolderMode); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasSuffix(e.Name(), partial) && now.Sub(info.ModTime()) > life {
			err = os.Remove(filepath.Join(s.dir, e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// open opens the file of an event's asset, with the part that a former attempt left.
func (s stage) open(it *plan.Item) (*os.File, error) {
	a := &it.Asset
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s/%d/%d", a.WABA, a.Number, a.MediaID, it.Topic, it.Partition, it.Offset))
	return private.OpenFile(filepath.Join(s.dir, hex.EncodeToString(sum[:16])+partial), os.O_CREATE|os.O_RDWR)
}

// digest returns the hash and the length of a file.
func digest(f *os.File) (sum string, n int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// sniffBytes is how much of a content decides what it looks like.
const sniffBytes = 512

// detect returns what a content looks like.
func detect(r io.Reader) (string, error) {
	head, err := io.ReadAll(io.LimitReader(r, sniffBytes))
	if err != nil {
		return "", err
	}
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	return kind, nil
}
