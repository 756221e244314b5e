package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/bench/child"
)

// process is one process of the program under test, which is killed, stopped and started again.
type process struct {
	name   string // of its log, too
	binary string
	dir    string
	args   []string // but the address of its admin listener
	more   []string // of the next lives
	admin  string   // that address; empty: it has no such listener
	probe  string   // URL that answers when it serves; empty: that of the admin listener
	// ended is called when the process ends unexpectedly.
	ended func(name string, err error)

	mu   sync.Mutex
	life *life // nil: it does not run
}

// life is a process from its start to its end.
type life struct {
	cmd      *exec.Cmd
	done     chan struct{}
	mu       sync.Mutex
	expected bool // its end is wanted
}

func (l *life) expect() {
	l.mu.Lock()
	l.expected = true
	l.mu.Unlock()
}

func (p *process) logFile() string   { return filepath.Join(p.dir, p.name+".log") }
func (p *process) clockFile() string { return filepath.Join(p.dir, p.name+".clock") }

// start starts the process. It does not wait for it to be ready.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life != nil {
		return fmt.Errorf("start %s: it runs", p.name)
	}
	l, err := p.spawn()
	if err != nil {
		return err
	}
	p.life = l
	return nil
}

func (p *process) spawn() (*life, error) {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	args := slices.Concat(p.args, p.more)
	if p.admin != "" {
		args = append(args, "--admin-listen", p.admin)
	}
	cmd := exec.Command(p.binary, args...) //nolint:noctx // killed by name, and with this program
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append(append(os.Environ(), bucketEnvironment()...), clockVariable+"="+p.clockFile())
	// Away from the terminal's signals, and gone when this program is.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	l := &life{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal for the parent's death is sent when the thread ends that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		l.mu.Lock()
		expected := l.expected
		l.mu.Unlock()
		close(l.done)
		if !expected {
			if err == nil {
				err = errors.New("exit status 0")
			}
			p.ended(p.name, fmt.Errorf("ended by itself: %w; see %s", err, p.logFile()))
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return l, nil
}

// startElsewhere is start with another address of the admin listener, where the last life may hold the first.
func (p *process) startElsewhere() error {
	admin, err := child.FreeAddress()
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.admin = admin
	p.mu.Unlock()
	return p.start()
}

func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil {
		return fmt.Errorf("signal %s: it does not run", p.name)
	}
	if err := p.life.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// detach gives the running life away: the process can be started again beside it.
func (p *process) detach() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.life
	p.life = nil
	if l != nil {
		l.expect()
	}
	return l
}

// kill ends the process without a warning.
func (p *process) kill() {
	if l := p.detach(); l != nil {
		l.kill()
	}
}

func (l *life) kill() {
	l.expect()
	_ = l.cmd.Process.Kill() // gone already: fine
	<-l.done
}

// stop asks the process to end and waits, at most as long as limit.
func (p *process) stop(limit time.Duration) error {
	l := p.detach()
	if l == nil {
		return nil
	}
	_ = l.cmd.Process.Signal(syscall.SIGTERM) // gone already: fine
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-l.done:
	case <-late.C:
		l.kill()
		return fmt.Errorf("stop %s: not done after %s, killed", p.name, limit)
	}
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("stop %s: exit code %d; see %s", p.name, code, p.logFile())
	}
	return nil
}

// ready reports whether the process says that it serves.
func (p *process) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p.mu.Lock()
	probe := p.probe
	if probe == "" {
		probe = "http://" + p.admin + "/readyz"
	}
	p.mu.Unlock()
	return child.Answers200(probe)(ctx) == nil
}

// counted is the sum of a metric of the process over its labels.
func (p *process) counted(ctx context.Context, name string) (sum float64, err error) {
	p.mu.Lock()
	admin := p.admin
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("metrics of %s: %w", p.name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		what, value, ok := strings.Cut(lines.Text(), " ")
		if series, _, _ := strings.Cut(what, "{"); !ok || series != name {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metrics of %s: %s: %w", p.name, lines.Text(), err)
		}
		sum += n
	}
	return sum, nil
}

// waitReady waits until the process serves.
func (p *process) waitReady(ctx context.Context, limit time.Duration) error {
	if err := until(ctx, limit, func() bool { return p.ready(ctx) }); err != nil {
		return fmt.Errorf("%s is not ready: %w; see %s", p.name, err, p.logFile())
	}
	return nil
}

// until waits for a condition.
func until(ctx context.Context, limit time.Duration, holds func() bool) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("timeout after %s", limit)
		case <-look.C:
		}
	}
	return nil
}
