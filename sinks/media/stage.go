package media

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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

// nameOf is the name of the file of an event's asset.
func nameOf(it *plan.Item) string {
	a := &it.Asset
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s/%d/%d", a.WABA, a.Number, a.MediaID, it.Topic, it.Partition, it.Offset))
	return hex.EncodeToString(sum[:16]) + partial
}

// open opens the file of an event's asset, with the part that a former attempt left.
func (s stage) open(it *plan.Item) (*os.File, error) {
	return private.OpenFile(filepath.Join(s.dir, nameOf(it)), os.O_CREATE|os.O_RDWR)
}

// part is a file of the stage.
type part struct {
	name  string
	bytes int64
	at    time.Time // of the last write
}

// parts are the files of the stage.
func (s stage) parts() (all []part, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(e.Name(), partial):
		case err != nil:
			return nil, err
		default:
			all = append(all, part{e.Name(), info.Size(), info.ModTime()})
		}
	}
	return all, nil
}

// surplus returns which files are removed, so that those that no download writes to have at most bytesMax. Files that no waiting asset continues go
// first, and of those the ones that were written the longest ago. use is how a file is used.
func surplus(all []part, bytesMax int64, use func(name string) usage) (gone []part) {
	idle := int64(0)
	var order []part
	for _, p := range all {
		if use(p.name) != written {
			idle += p.bytes
			order = append(order, p)
		}
	}
	slices.SortFunc(order, func(a, b part) int {
		return cmp.Or(cmp.Compare(use(a.name), use(b.name)), a.at.Compare(b.at), cmp.Compare(a.name, b.name))
	})
	for _, p := range order {
		if idle <= bytesMax {
			break
		}
		idle -= p.bytes
		gone = append(gone, p)
	}
	return gone
}

// usage is how a file of the stage is used.
type usage int

const (
	unneeded usage = iota // no asset of this process continues it
	waiting               // an asset waits for its next attempt
	written               // a download writes to it
)

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
