package child

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/internal/testing/freeport"
)

// Command is a process to start.
type Command struct {
	Name string // in errors and the log's name
	Args []string
	Env  []string // beside this process's own
	Dir  string
	CPUs string // as taskset has them, such as "0" or "0-1"; empty: all
	Log  string // file that takes its output
	// Ready is asked until it returns nil.
	Ready func(ctx context.Context) error
}

// Process is a running one.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; to be read after done
	log  string
}

const (
	startTimeout = 90 * time.Second
	stopTimeout  = 20 * time.Second
	readyPause   = 20 * time.Millisecond
)

// pinned is a command that runs on some processors only.
func pinned(cpus string, args []string) []string {
	if cpus == "" {
		return args
	}
	return append([]string{"taskset", "-c", cpus}, args...)
}

// Start starts a process and waits until it is ready. It runs until Stop.
func Start(ctx context.Context, c Command) (*Process, error) {
	out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	defer out.Close() //nolint:errcheck // the child has its own descriptor
	args := pinned(c.CPUs, c.Args)
	// Not bound to ctx: the end of a benchmark stops its processes in order.
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // see above
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = append(os.Environ(), c.Env...), c.Dir, out, out
	// The pipe's end tells our own children that this process is gone.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	// A group of its own: Ctrl-C is this process's to pass on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, cmd: cmd, done: make(chan struct{}), log: c.Log}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if c.Ready == nil {
		return p, nil
	}
	if err := p.await(ctx, c.Ready); err != nil {
		_ = p.Stop() // it is the other error that says what happened
		return nil, err
	}
	return p, nil
}

func (p *Process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("start %s: it ended by itself: %w; its last words:\n%s", p.name, p.err, tail(p.log))
		case <-ctx.Done():
			return fmt.Errorf("start %s: not ready: %w; its last words:\n%s", p.name, err, tail(p.log))
		case <-time.After(readyPause):
		}
	}
}

// tail is the end of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const lines = 15
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop ends the process as a supervisor would, and kills it and what it started when that takes long.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // ended already: fine
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	p.killGroup()
	return fmt.Errorf("stop %s: it did not end within %s and was killed", p.name, stopTimeout)
}

// Kill ends the process without a warning (SIGKILL), and all that it started.
func (p *Process) Kill() { p.killGroup() }

// Pause stops the process (SIGSTOP); Resume lets it continue.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process continue.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil {
		return fmt.Errorf("%s: %s: %w", p.name, s, err)
	}
	return nil
}

// killGroup kills the process and all that it started.
func (p *Process) killGroup() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // gone already: fine
	<-p.done
}

// Run runs a command to its end and returns what it wrote to its standard output.
func Run(ctx context.Context, c Command, stdin []byte) ([]byte, error) {
	args := pinned(c.CPUs, c.Args)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = append(os.Environ(), c.Env...), c.Dir, bytes.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w\n%s", c.Name, err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// Listening is ready when something accepts connections at the address.
func Listening(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// Answers200 is ready when a GET of the URL is answered with 200.
func Answers200(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end below
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %d %s", url, resp.StatusCode, bytes.TrimSpace(body))
		}
		return err
	}
}

// FreeAddress is an address on loopback that nobody listens on at the moment.
func FreeAddress() (string, error) {
	addrs, err := FreeAddresses(1)
	if err != nil {
		return "", err
	}
	return addrs[0], nil
}

// FreeAddresses are several of them.
func FreeAddresses(n int) ([]string, error) {
	return freeport.Addresses(context.Background(), n)
}

// Orphaned is closed when the process that started this one is gone, or has told it to stop.
func Orphaned() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends, nobody is there any more
	}()
	return gone
}
