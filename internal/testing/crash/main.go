// Command crash plays onboardings against `coexstream up`, kills it with SIGKILL while they run, starts it again, and
// lets `coexstream check` judge the outcome. It uses the binary as a user does. With -peak-max it also fails when a
// life of `up` took more memory than that. With -rot it then damages the logs, and only the reported records may be
// missing.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/bench/child"
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
	peakMax    int64 // MiB; 0: none
	upFlags    string
	rotten     string // topics, separated by commas
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
	flag.DurationVar(&o.wait, "wait", 3*time.Minute, "how long check waits for missing records")
	flag.Int64Var(&o.peakMax, "peak-max", 0, "the most resident memory that any life of `up` may have taken, in MiB; 0: any")
	flag.StringVar(&o.rotten, "rot", "", "at the end, damage a log of each of these `topics`: only records that broker verify names may be missing, and a second world must be complete")
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
	addrs, err := child.FreeAddresses(3)
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
		if err := u.measure(); err != nil && o.peakMax > 0 {
			return err
		}
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
	peakErr := u.measure()
	if peakErr != nil {
		fmt.Printf("crash: %v\n", peakErr)
	} else {
		fmt.Printf("crash: peak resident memory of up %d MiB\n", toMiB(u.peak))
	}
	if checkErr != nil {
		return fmt.Errorf("check: %w (data in %s, seed %d)", checkErr, dir, o.seed)
	}
	fmt.Printf("crash: killed %d times, check is content\n", killed)
	if peakErr != nil && o.peakMax > 0 {
		return peakErr
	}
	if err := o.sound(ctx, binary, dir); err != nil {
		return fmt.Errorf("%w (data in %s, seed %d)", err, dir, o.seed)
	}
	if o.rotten != "" {
		if err := o.rot(ctx, u, truth); err != nil {
			return fmt.Errorf("%w (data in %s, seed %d)", err, dir, o.seed)
		}
	}
	if err := withinBound(u.peak, o.peakMax); err != nil {
		return fmt.Errorf("%w (data in %s, seed %d)", err, dir, o.seed)
	}
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
	peak                               int64 // bytes, of the life that took the most
	*child.Process                           // nil: it does not run
}

func (u *upProcess) start(ctx context.Context) (err error) {
	began := time.Now()
	serves := child.Answers200("http://" + u.admin + "/readyz")
	u.Process, err = child.Start(ctx, child.Command{
		Name: "up", Log: filepath.Join(u.dir, "up.log"),
		Args: append([]string{u.binary, "up", "--data-dir", u.dir, "--listen", u.listen, "--admin-listen", u.admin, "--broker-listen", u.broker}, u.more...),
		Ready: func(ctx context.Context) error {
			if _, err := os.Stat(filepath.Join(u.dir, "up.json")); err != nil {
				return err // the other commands would not find it
			}
			return serves(ctx)
		},
	})
	if err == nil {
		fmt.Printf("crash: up is ready after %s\n", time.Since(began).Round(time.Millisecond))
	}
	return err
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
		case <-u.Done():
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
	if u.Process != nil {
		u.Kill()
		u.Process = nil
	}
}

// measure looks at the high-water mark of this life's resident memory, while there is somebody to ask.
func (u *upProcess) measure() error {
	rss, err := u.PeakRSS()
	u.peak = max(u.peak, rss)
	return err
}
