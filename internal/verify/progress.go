package verify

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress receives the progress of a run. Several goroutines may call its methods.
type Progress interface {
	Begin(what string, total int64) // a new stage; total 0: unknown
	Add(n int64)
	Say(line string) // something that a person should know now
	End()
}

// NewProgress shows a bar on a terminal, and elsewhere a line now and then.
func NewProgress(w io.Writer, terminal bool) Progress {
	if terminal {
		return &bar{w: w}
	}
	return &lines{w: w, every: 10 * time.Second, now: time.Now}
}

// Silent is a Progress that says nothing.
func Silent() Progress { return NewProgress(io.Discard, false) }

// bar is a progress bar.
type bar struct {
	mu sync.Mutex
	w  io.Writer
	b  *progressbar.ProgressBar
}

func (p *bar) Begin(what string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if total <= 0 {
		total = -1
	}
	p.b = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true),
		progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())
}

// The bar's own errors are errors of the terminal: a run does not fail for them.

func (p *bar) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b != nil {
		_ = p.b.Add64(n)
	}
}

func (p *bar) Say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b != nil {
		_ = p.b.Clear()
	}
	_, _ = fmt.Fprintln(p.w, line)
}

func (p *bar) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b != nil {
		_ = p.b.Finish()
		p.b = nil
	}
}

// lines writes the progress as lines.
type lines struct {
	mu          sync.Mutex
	w           io.Writer
	every       time.Duration
	now         func() time.Time
	what        string
	done, total int64
	last        time.Time
}

func (p *lines) Begin(what string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.total, p.done, p.last = what, total, 0, p.now()
}

func (p *lines) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if now := p.now(); now.Sub(p.last) >= p.every {
		p.last = now
		p.print()
	}
}

func (p *lines) print() {
	if p.total > 0 {
		_, _ = fmt.Fprintf(p.w, "%s: %d of %d\n", p.what, p.done, p.total)
	} else {
		_, _ = fmt.Fprintf(p.w, "%s: %d\n", p.what, p.done)
	}
}

func (p *lines) Say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintln(p.w, line)
}

func (p *lines) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.what != "" {
		p.print()
		p.what = ""
	}
}
