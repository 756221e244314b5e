package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/coexstream/coexstream/internal/private"
)

// journal writes lines. Those that come while others are written share the next fsync.
type journal struct {
	file *os.File

	mu      sync.Mutex
	turn    *sync.Cond
	pending bytes.Buffer
	added   int64 // lines
	written int64 // of these, durable
	closed  bool
	err     error
	ended   chan struct{}
}

// openJournal opens a file, and removes a last line that a killed receiver has not completed.
func openJournal(path string) (*journal, error) {
	f, err := private.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	length, err := Read(f, func(*Line) error { return nil })
	if err == nil {
		err = f.Truncate(length)
	}
	if err == nil {
		_, err = f.Seek(length, io.SeekStart)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	j := &journal{file: f, ended: make(chan struct{})}
	j.turn = sync.NewCond(&j.mu)
	go j.run()
	return j, nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// write returns when the line is durable.
func (j *journal) write(l Line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return errors.New("the receiver stops")
	}
	j.pending.Write(append(text, '\n'))
	j.added++
	mine := j.added
	j.turn.Broadcast()
	for j.written < mine && j.err == nil {
		j.turn.Wait()
	}
	return j.err
}

func (j *journal) run() {
	defer close(j.ended)
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		for j.pending.Len() == 0 && !j.closed {
			j.turn.Wait()
		}
		if j.pending.Len() == 0 || j.err != nil {
			return
		}
		content, until := bytes.Clone(j.pending.Bytes()), j.added
		j.pending.Reset()
		j.mu.Unlock()
		_, err := j.file.Write(content)
		if err == nil {
			err = j.file.Sync()
		}
		j.mu.Lock()
		j.written, j.err = until, err
		j.turn.Broadcast()
	}
}

// close writes the pending lines.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	j.turn.Broadcast()
	j.mu.Unlock()
	<-j.ended
	return errors.Join(j.err, j.file.Close())
}
