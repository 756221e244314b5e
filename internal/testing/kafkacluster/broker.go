package kafkacluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Broker is one broker, which is a controller too. Its methods must not be called at the same time.
type Broker struct {
	id    int
	dir   string // server.properties, log, data
	java  string
	args  []string
	addrs map[string]string // by listener, as it listens
	ready func(ctx context.Context, id int) error

	mu   sync.Mutex
	proc *os.Process
	done chan struct{} // closed when the process has ended
}

// stopTimeout is how long a broker has for an orderly end.
const stopTimeout = 60 * time.Second

// Start starts the broker and returns when it serves.
func (b *Broker) Start(ctx context.Context) error {
	if err := b.launch(); err != nil {
		return err
	}
	return b.wait(ctx)
}

// launch starts the process.
func (b *Broker) launch() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil {
		return fmt.Errorf("broker %d runs already, process %d", b.id, b.proc.Pid)
	}
	log, err := os.OpenFile(b.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()                      //nolint:errcheck // the child has its own descriptor
	cmd := exec.Command(b.java, b.args...) //nolint:gosec,noctx // ends by Stop, Kill, or with this process
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, log, log
	DieWithUs(cmd)
	done, started := make(chan struct{}), make(chan error)
	go func() {
		// The signal for the parent's death is sent when the thread dies that started the child. Given back, the
		// thread lives on: it may have started others' children before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is what the caller wanted, or stands in the log
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	b.proc, b.done = cmd.Process, done
	return nil
}

// wait returns when the broker serves.
func (b *Broker) wait(ctx context.Context) error {
	for {
		err := b.ready(ctx, b.id)
		if err == nil {
			return nil
		}
		select {
		case <-b.done:
			b.ended()
			return fmt.Errorf("broker %d ended while it started; see %s", b.id, b.Log())
		case <-ctx.Done():
			return fmt.Errorf("broker %d is not ready: %w (%w); see %s", b.id, err, ctx.Err(), b.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the broker without a warning (SIGKILL).
func (b *Broker) Kill() error { return b.end(syscall.SIGKILL) }

// Stop ends the broker in order: it hands its partitions over first.
func (b *Broker) Stop() error { return b.end(syscall.SIGTERM) }

func (b *Broker) end(with syscall.Signal) error {
	if err := b.signal(with); err != nil {
		return err
	}
	select {
	case <-b.done:
	case <-time.After(stopTimeout):
		_ = b.signal(syscall.SIGKILL)
		<-b.done
		b.ended()
		return fmt.Errorf("broker %d did not stop within %s and was killed; see %s", b.id, stopTimeout, b.Log())
	}
	b.ended()
	return nil
}

func (b *Broker) ended() {
	b.mu.Lock()
	b.proc = nil
	b.mu.Unlock()
}

// Pause stops the process where it is (SIGSTOP): it keeps its connections, and answers nothing.
func (b *Broker) Pause() error { return b.signal(syscall.SIGSTOP) }

// Resume lets a paused process continue.
func (b *Broker) Resume() error { return b.signal(syscall.SIGCONT) }

var errNotRunning = errors.New("broker is not running")

func (b *Broker) signal(s syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil {
		return fmt.Errorf("broker %d: %w", b.id, errNotRunning)
	}
	if err := b.proc.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("broker %d: %s: %w", b.id, s, err)
	}
	return nil
}

// PID is the broker's process; 0 when it does not run.
func (b *Broker) PID() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil {
		return 0
	}
	return b.proc.Pid
}

// Addr is where the broker listens.
func (b *Broker) Addr(listener string) string { return b.addrs[listener] }

// LogDir is the folder in which the broker has its replica of a partition.
func (b *Broker) LogDir(topic string, partition int32) string {
	return filepath.Join(b.data(), fmt.Sprintf("%s-%d", topic, partition))
}

// Log is the file with what the broker says.
func (b *Broker) Log() string { return filepath.Join(b.dir, "broker.log") }
