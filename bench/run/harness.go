package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
)

// harness is what all matches of a run share.
type harness struct {
	o      options
	self   string // this program
	binary string // the subject
	dir    string // logs and data
	// Loads and subjects so far, so that each has an identity of its own.
	runs     uint32
	subjects int
	seed     uint64 // of the world; 0: another one for each subject

	cluster *broker // an Apache Kafka, once one was asked for
	stop    stops   // what matches share
}

func newHarness(ctx context.Context, o options) (*harness, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, binary, "version").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("run the program under test: %w; build it with 'make build', or name it with -binary\n%s", err, out)
	}
	h := &harness{o: o, self: self, binary: binary, dir: o.data}
	if h.dir == "" {
		h.dir, err = os.MkdirTemp("", "coexstream-bench-")
	} else if h.dir, err = filepath.Abs(h.dir); err == nil {
		err = os.MkdirAll(h.dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("make the folder for logs and data: %w", err)
	}
	return h, nil
}

func (h *harness) clean() error {
	if h.o.data != "" {
		return nil
	}
	return os.RemoveAll(h.dir)
}

// path is a name in the run's folder.
func (h *harness) path(name string) string { return filepath.Join(h.dir, name) }

// newReport says what runs where.
func (h *harness) newReport(ctx context.Context) compare.Report {
	r := compare.Report{
		Started: time.Now().UTC(), Commit: commit(ctx), Command: command(),
		Machine: compare.Machine{
			CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), MemoryBytes: memory(),
			System: runtime.GOOS + "/" + runtime.GOARCH + " " + kernel(output(ctx, "uname", "-r")), Filesystem: output(ctx, "stat", "-f", "-c", "%T", h.dir),
		},
		Versions: versions(ctx),
		Settings: map[string]string{
			"rounds": strconv.Itoa(h.o.rounds), "turn": h.o.turn.String(), "kafka": h.o.kafka, "kafka_brokers": strconv.Itoa(h.o.kafkaBrokers), "backlog_bytes": strconv.FormatInt(h.o.backlogBytes, 10),
			"import_messages": strconv.Itoa(h.o.importMessages),
			"echo_rate":       strconv.Itoa(h.o.echoRate), "sync_writes": strconv.FormatBool(h.o.syncWrites), "server_cpus": h.o.serverCPUs, "load_cpus": h.o.loadCPUs, "broker_cpus": h.o.brokerCPUs,
		},
	}
	for _, b := range h.o.builds {
		r.Settings["build "+b.name] = b.binary
	}
	return r
}

// command returns the command line of this run, without the path that go run made.
func command() string {
	return strings.TrimSpace("go run ./bench/run " + strings.Join(os.Args[1:], " "))
}

func commit(ctx context.Context) string {
	c := output(ctx, "git", "rev-parse", "--short", "HEAD")
	if c == "" {
		return "unknown"
	}
	if output(ctx, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		c += "+changes"
	}
	return c
}

// kernel is the version of a kernel's release, without the name of who built it.
func kernel(release string) string {
	version, _, _ := strings.Cut(release, "-")
	return version
}

// output returns the output of a command; empty if it cannot run, because none of them is vital.
func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// field is the first value under a key in a file of /proc.
func field(path, key string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func memory() int64 {
	kb, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
