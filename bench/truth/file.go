package truth

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json"
)

// Writer writes the file. It may be used by several goroutines; a line is written whole.
type Writer struct {
	mu  sync.Mutex
	w   *bufio.Writer
	err error
}

// NewWriter writes lines to w. The caller closes w after Flush.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 1<<20)} }

// Write writes one line. The first error sticks.
func (w *Writer) Write(l Line) error {
	b, err := json.Marshal(l)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if err == nil {
		_, err = w.w.Write(append(b, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("write a line of the truth: %w", err)
	}
	return w.err
}

// Flush writes out what is buffered.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		if err := w.w.Flush(); err != nil {
			w.err = fmt.Errorf("flush the truth: %w", err)
		}
	}
	return w.err
}

// Read calls visit for each line of r, with its number from 1. A last line that is cut short is left
// out: the simulator was stopped while it wrote.
func Read(r io.Reader, visit func(n int, l *Line) error) error {
	br := bufio.NewReaderSize(r, 1<<20)
	var buf []byte
	for n := 1; ; n++ {
		buf = buf[:0]
		var err error
		for {
			var frag []byte
			frag, err = br.ReadSlice('\n')
			buf = append(buf, frag...)
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if errors.Is(err, io.EOF) {
			if n == 1 {
				return errors.New("read the truth: the file is empty")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("read line %d of the truth: %w", n, err)
		}
		var l Line
		if err := json.Unmarshal(bytes.TrimSpace(buf), &l); err != nil {
			return fmt.Errorf("line %d of the truth: %w", n, err)
		}
		if n == 1 {
			if l.Head == nil {
				return errors.New("line 1 of the truth: no head; this is not a truth file")
			}
			if l.Head.Version != Version {
				return fmt.Errorf("line 1 of the truth: version %d, only %d can be read", l.Head.Version, Version)
			}
		}
		if err := visit(n, &l); err != nil {
			return err
		}
	}
}
