package truth

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/coexstream/coexstream/internal/verify/pipeline"
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

// Flush writes the buffered lines.
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

// Read calls visit for each line of r, with its number from 1. Lines are parsed in parallel and visited in order. A
// last line that is incomplete is omitted: the simulator was stopped while it wrote.
func Read(r io.Reader, visit func(n int, l *Line) error) error {
	n := 0
	err := pipeline.Run(1, func(give func([]byte) bool) error { return readLines(r, give) }, parse, func(p *parsed) error {
		n++
		if p.err != nil {
			return fmt.Errorf("line %d of the truth: %w", n, p.err)
		}
		if n == 1 {
			if p.line.Head == nil {
				return errors.New("line 1 of the truth: no head; this is not a truth file")
			}
			if p.line.Head.Version != Version {
				return fmt.Errorf("line 1 of the truth: version %d, only %d can be read", p.line.Head.Version, Version)
			}
		}
		return visit(n, p.line)
	})
	if err == nil && n == 0 {
		return errors.New("read the truth: the file is empty")
	}
	return err
}

// readLines yields whole lines.
func readLines(r io.Reader, give func([]byte) bool) error {
	br := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read line %d of the truth: %w", n, err)
		}
		if !give(line) {
			return nil
		}
	}
}

type parsed struct {
	line *Line
	err  error
}

func parse(line []byte) parsed {
	l := new(Line)
	return parsed{l, json.Unmarshal(bytes.TrimSpace(line), l)}
}
