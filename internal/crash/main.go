// Command crash plays onboardings against `coexstream up`, kills it with SIGKILL while they run, starts it
// again, and lets `coexstream check` judge the outcome. It uses the binary as a user does.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type options struct {
	binary     string
	dir        string
	kills      int
	every      int
	businesses int
	messages   int
	seed       uint64
	wait       time.Duration
	upFlags    string
	simFlags   string
	checkFlags string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "./coexstream", "the program under test")
	flag.StringVar(&o.dir, "dir", "", "data folder; empty: a temporary one, removed when all is well")
	flag.IntVar(&o.kills, "kills", 3, "how often the program is killed")
	flag.IntVar(&o.every, "every", 800, "about how many webhooks the program takes between kills")
	flag.IntVar(&o.businesses, "businesses", 20, "businesses")
	flag.IntVar(&o.messages, "messages", 200_000, "messages of history")
	flag.Uint64Var(&o.seed, "seed", 0, "seed; 0: a new one")
	flag.DurationVar(&o.wait, "wait", 3*time.Minute, "how long check waits for what is missing")
	flag.StringVar(&o.upFlags, "up", "", "more flags of `up`")
	flag.StringVar(&o.simFlags, "simulate", "", "more flags of `simulate`")
	flag.StringVar(&o.checkFlags, "check", "", "more flags of `check`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		stop()
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context) error {
	if o.seed == 0 {
		o.seed = rand.Uint64N(1 << 32)
	}
	fmt.Printf("crash: seed %d\n", o.seed)
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "coexstream-crash-"); err != nil {
			return err
		}
	}
	addrs, err := freeAddresses(3)
	if err != nil {
		return err
	}
	u := &upProcess{binary: binary, dir: dir, listen: addrs[0], admin: addrs[1], broker: addrs[2], more: strings.Fields(o.upFlags)}
	if err := u.start(ctx); err != nil {
		return err
	}
	defer u.kill()

	truth := filepath.Join(dir, "truth.jsonl")
	args := append([]string{"simulate", "--data-dir", dir, "--truth", truth, "--businesses", strconv.Itoa(o.businesses),
		"--messages", strconv.Itoa(o.messages), "--seed", strconv.FormatUint(o.seed, 10)}, strings.Fields(o.simFlags)...)
	simulate := exec.CommandContext(ctx, binary, args...)
	simulate.Stdout, simulate.Stderr = os.Stdout, os.Stderr
	if err := simulate.Start(); err != nil {
		return err
	}
	simulated := make(chan error, 1)
	go func() { simulated <- simulate.Wait() }()

	rng := rand.New(rand.NewPCG(o.seed, 1))
	killed := 0
	for killed < o.kills {
		life := o.every/2 + rng.IntN(o.every)
		if err := u.outlive(ctx, life, simulated); err != nil {
			return fmt.Errorf("after %d of %d kills: %w", killed, o.kills, err)
		}
		killed++
		fmt.Printf("crash: kill -9 number %d, %d webhooks after the last\n", killed, life)
		u.kill()
		if err := u.start(ctx); err != nil {
			return err
		}
	}
	if err := <-simulated; err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	args = append([]string{"check", "--data-dir", dir, "--truth", truth, "--wait", o.wait.String()}, strings.Fields(o.checkFlags)...)
	check := exec.CommandContext(ctx, binary, args...)
	check.Stdout, check.Stderr = os.Stdout, os.Stderr
	checkErr := check.Run()
	fmt.Printf("crash: peak resident memory of up %s\n", u.peak())
	if checkErr != nil {
		return fmt.Errorf("check: %w (data in %s, seed %d)", checkErr, dir, o.seed)
	}
	fmt.Printf("crash: killed %d times, check is content\n", killed)
	if o.dir == "" {
		u.kill()
		return os.RemoveAll(dir)
	}
	return nil
}

// upProcess is the program that is killed.
type upProcess struct {
	binary, dir, listen, admin, broker string
	more                               []string
	cmd                                *exec.Cmd
	done                               chan struct{}
}

const startTimeout = 60 * time.Second

func (u *upProcess) start(ctx context.Context) error {
	logFile, err := os.OpenFile(filepath.Join(u.dir, "up.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close() //nolint:errcheck // the child has its own descriptor
	began := time.Now()
	args := append([]string{"up", "--data-dir", u.dir, "--listen", u.listen, "--admin-listen", u.admin, "--broker-listen", u.broker}, u.more...)
	u.cmd = exec.CommandContext(ctx, u.binary, args...)
	u.cmd.Stdout, u.cmd.Stderr = logFile, logFile
	if err := u.cmd.Start(); err != nil {
		return err
	}
	u.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // killed: that is the point
		close(done)
	}(u.cmd, u.done)
	for time.Since(began) < startTimeout {
		select {
		case <-u.done:
			return fmt.Errorf("up ended by itself; see %s", logFile.Name())
		case <-time.After(20 * time.Millisecond):
		}
		if u.ready(ctx) {
			fmt.Printf("crash: up is ready after %s\n", time.Since(began).Round(time.Millisecond))
			return nil
		}
	}
	return fmt.Errorf("up is not ready after %s; see %s", startTimeout, logFile.Name())
}

// ready tells whether up serves, and has told the other commands where.
func (u *upProcess) ready(ctx context.Context) bool {
	if _, err := os.Stat(filepath.Join(u.dir, "up.json")); err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+u.admin+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // nothing to do about it
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// requestsMetric counts the webhooks that were answered.
const requestsMetric = "coexstream_ingress_requests_total"

// outlive returns when the process has answered so many requests since its start. Counting them, and not
// the time, keeps the kills among the webhooks on machines of any speed.
func (u *upProcess) outlive(ctx context.Context, requests int, simulated <-chan error) error {
	for {
		select {
		case err := <-simulated:
			if err != nil {
				return fmt.Errorf("simulate: %w", err)
			}
			return errors.New("simulate ended before the next kill; give it more messages, or kill more often")
		case <-u.done:
			return errors.New("up ended by itself")
		case <-time.After(5 * time.Millisecond):
		}
		n, err := u.requests(ctx)
		if err != nil {
			return err
		}
		if n >= float64(requests) {
			return nil
		}
	}
}

// requests is how many requests the process has answered.
func (u *upProcess) requests(ctx context.Context) (float64, error) {
	url := "http://" + u.admin + "/metrics"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing to do about it
	sum := 0.0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, requestsMetric) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q: %w", url, line, err)
		}
		sum += n
	}
	return sum, nil
}

// kill ends the process without a warning, and waits until it is gone.
func (u *upProcess) kill() {
	if u.cmd == nil {
		return
	}
	_ = u.cmd.Process.Kill() // gone already: fine
	<-u.done
	u.cmd = nil
}

// peak is the high-water mark of the running process's resident memory.
func (u *upProcess) peak() string {
	if u.cmd == nil {
		return "unknown"
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", u.cmd.Process.Pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}

func freeAddresses(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a moment on loopback
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // only the number was wanted
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
