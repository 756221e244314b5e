package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

// program is a long-running command: `ingress` or `process`.
type program struct {
	t     *testing.T
	name  string
	admin string
	cmd   *exec.Cmd
	log   string // file
	ended chan struct{}
}

// patience bounds every wait for something that has to come: long enough for a busy machine.
const patience = 3 * time.Minute

// until waits for a condition. Where it does not come, those of tell say how things stand.
func until(t *testing.T, what string, ok func() bool, tell ...func()) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
		if t.Context().Err() != nil || time.Now().After(deadline) {
			for _, say := range tell {
				say()
			}
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	addrs, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return addrs[0]
}

// start starts a command in the stage's folder. It is killed with the test, unless it has ended before.
func (s *stage) start(name string, args ...string) *program {
	s.t.Helper()
	p := &program{t: s.t, name: name, admin: freeAddress(s.t), log: filepath.Join(s.dir, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	p.cmd = exec.Command(s.binary, append(args, "--admin-listen", p.admin)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, log, log
	kafkacluster.DieWithUs(p.cmd)
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is asked of ProcessState
		close(p.ended)
	}()
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // ended already: fine
		<-p.ended
		if s.t.Failed() {
			s.t.Logf("the last of %s:\n%s", name, tail(p.log, 30))
		}
	})
	return p
}

// tail is the last lines of a file.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// awaitReady waits for /readyz.
func (p *program) awaitReady() {
	p.t.Helper()
	until(p.t, p.name+" is ready", func() bool {
		if !p.running() {
			p.t.Fatalf("%s ended while it started:\n%s", p.name, tail(p.log, 10))
		}
		_, err := p.get("/readyz")
		return err == nil
	})
}

// stop drains the program, which has to end with 0.
func (p *program) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("stop %s: %v", p.name, err)
	}
	select {
	case <-p.ended:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			p.t.Errorf("%s ended with %d:\n%s", p.name, code, tail(p.log, 10))
		}
	case <-time.After(patience):
		p.t.Fatalf("%s does not stop", p.name)
	}
}

func (p *program) get(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing to do about it
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, b)
	}
	return b, err
}

// metric is the sum of the samples of a metric whose labels contain all of the given texts, such as `code="503"`.
func (p *program) metric(name string, labels ...string) float64 {
	p.t.Helper()
	b, err := p.get("/metrics")
	if err != nil {
		p.t.Fatalf("metrics of %s: %v", p.name, err)
	}
	sum := 0.0
lines:
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		line := lines.Text()
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		at := strings.LastIndexByte(rest, ' ')
		for _, l := range labels {
			if !strings.Contains(rest[:at], l) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(rest[at+1:], 64)
		if err != nil {
			p.t.Fatalf("metrics of %s: %q: %v", p.name, line, err)
		}
		sum += v
	}
	return sum
}
