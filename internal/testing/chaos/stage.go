package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/internal/testing/required"
	"github.com/coexstream/coexstream/internal/verify/world"
)

// stage is everything that a run needs: the cluster, and the processes of the program under test.
type stage struct {
	out     io.Writer
	binary  string
	broken  string // the binary of the processors; empty: binary
	dir     string
	prefix  string
	cluster *cluster
	disk    *disk // nil: the machine does not let us have one
	began   time.Time

	ingress    *process
	sender     *link // to the ingress
	processors map[string]*process
	tables     *tables  // nil: there are none
	targets    *targets // nil: there are none

	mu     sync.Mutex
	rotten rotten
	failed error // the first process that ended by itself
	fail   context.CancelCauseFunc
}

const (
	metaSecret, dialogSecret = "chaos-app-secret", "chaos-dialog-secret"
	readyTimeout             = 60 * time.Second
	senderTimeout            = 8 * time.Second // of one attempt
	partitions               = 6
)

// newStage sets the scene on a cluster: configuration, disk, topics. Nothing runs yet.
func newStage(ctx context.Context, c *cluster, out io.Writer, binary, broken, dir, prefix string) (*stage, error) {
	s := &stage{out: out, binary: binary, broken: broken, dir: dir, prefix: prefix, cluster: c, processors: map[string]*process{}, rotten: rotten{damaged: map[string]struct{}{}}, began: time.Now()}
	if err := os.WriteFile(s.configFile(), []byte(s.config()), 0o600); err != nil {
		return nil, err
	}
	spool := s.spoolDir()
	var err error
	if s.disk, err = newDisk(spool); err != nil {
		if required.Everything() {
			return nil, fmt.Errorf("a disk of its own for the spool: %w", err)
		}
		s.say("SKIP faults of the disk: %v", err)
	}
	addrs, err := child.FreeAddresses(2 + processorsMax)
	if err != nil {
		s.close()
		return nil, err
	}
	if s.sender, err = newLink(ctx, senderName, ingressName, anyPort, addrs[0]); err != nil {
		s.close()
		return nil, err
	}
	s.ingress = s.process(ingressName, binary, addrs[1], "ingress", "--listen", addrs[0], "--set", "ingress.spool.dir="+spool)
	for i := range processorsMax {
		name := processorName(i + 1)
		s.processors[name] = s.processor(name, addrs[2+i])
	}
	if err := runHere(s.command(ctx, "topics", "create", "--partitions", strconv.Itoa(partitions), "--replication-factor", "3")); err != nil {
		s.close()
		return nil, fmt.Errorf("topics create: %w; see %s", err, s.toolLog())
	}
	return s, nil
}

// config is what all processes agree on. The times are short, so that minutes hold many faults.
func (s *stage) config() string {
	return fmt.Sprintf(`data_dir: %s
kafka:
  prefix: %s
log:
  format: text
  level: info
ingress:
  sources:
    - name: meta
      path: /webhooks/meta
      secrets: [{id: a, value: %s}]
    - name: dialog
      provider: 360dialog
      path: /webhooks/dialog
      secrets: [{id: a, value: %s}]
  spool:
    bytes_max: 40MiB
    segment_bytes: 1MiB
processor:
  group_id: %schaos
  session_timeout: %s
  rebalance_timeout: 15s
  transaction_timeout: 10s
sink:
  postgres:
    group_id: %schaos-tables
    session_timeout: %s
    timeout: 15s
  webhook:
    group_id: %schaos-webhooks
    session_timeout: %s
  archive:
    group_id: %schaos-archive
    session_timeout: %s
    rotation: 3s
    snapshots: 1m
    timeout: 5s
`, s.dir, s.prefix, metaSecret, dialogSecret, s.prefix, sessionTime, s.prefix, sessionTime, s.prefix, sessionTime, s.prefix, sessionTime)
}

// links are those between any two that a fault may come between.
func (s *stage) links() links {
	all := append(slices.Clip(s.cluster.links), s.sender)
	if s.tables != nil {
		all = append(all, s.tables.links...)
	}
	if s.targets != nil {
		all = append(all, s.targets.links...)
	}
	return all
}

func (s *stage) configFile() string { return filepath.Join(s.dir, "coexstream.yaml") }
func (s *stage) toolLog() string    { return filepath.Join(s.dir, "tools.log") }
func (s *stage) truthFile() string  { return filepath.Join(s.dir, "truth.jsonl") }

func (s *stage) process(name, binary, admin, command string, args ...string) *process {
	all := append([]string{command, "--config", s.configFile(), "--brokers", s.cluster.addrs(name)}, args...)
	return &process{name: name, binary: binary, dir: s.dir, admin: admin, args: all, ended: s.ended}
}

func (s *stage) processor(name, admin string) *process {
	binary := s.binary
	if s.broken != "" {
		binary = s.broken
	}
	return s.process(name, binary, admin, "process", "--instance-id", name)
}

// command is a command of the program that no fault happens to. It writes to the log of such commands.
func (s *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{args[0]}, args[1:]...)
	all = append(all, "--config", s.configFile())
	cmd := exec.CommandContext(ctx, s.binary, all...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(append(os.Environ(), bucketEnvironment()...), "COEXSTREAM_KAFKA_BROKERS="+joinAddrs(s.cluster.Addrs()))
	if s.tables != nil {
		cmd.Env = append(cmd.Env, "COEXSTREAM_SINK_POSTGRES_URL="+s.tables.server.URL("postgres"))
	}
	if log, err := os.OpenFile(s.toolLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	return cmd
}

// runHere runs a command on a thread that stays: the command would be killed with it.
func runHere(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// ended takes note of a process that ended by itself. No fault excuses that: all are to be outlived.
func (s *stage) ended(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = fmt.Errorf("%s: %w", name, err)
	if s.failed == nil {
		s.failed = err
	}
	if s.fail != nil {
		s.fail(err)
	}
}

func (s *stage) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "chaos: %7.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// start starts the ingress, two processors, and two sinks of each kind where their targets are. It waits until all serve.
func (s *stage) start(ctx context.Context) error {
	all := []*process{s.ingress, s.processors[processorName(1)], s.processors[processorName(2)]}
	if s.tables != nil {
		all = append(all, s.tables.sinks[sinkName(1)], s.tables.sinks[sinkName(2)])
	}
	if s.targets != nil {
		all = append(all, s.targets.all()...)
	}
	for _, p := range all {
		if err := p.start(); err != nil {
			return err
		}
	}
	for _, p := range all {
		if err := p.waitReady(ctx, readyTimeout); err != nil {
			return err
		}
	}
	s.say("%d processes are ready", len(all))
	return nil
}

// load says how much is played.
type load struct {
	seed                                 uint64
	businesses, messages, live, contacts int
	over                                 time.Duration // webhooks are spread over this; 0: as fast as it goes
	retryFor                             time.Duration
	concurrency                          int
}

// loadFor is the load of a run of some length, times a factor.
func loadFor(seed uint64, length time.Duration, factor float64) load {
	units := max(length.Minutes(), 0.5) * factor
	return load{
		seed: seed, businesses: 8 + int(4*units), messages: int(15_000 * units), live: int(2_500 * units), contacts: int(600 * units),
		over: length, retryFor: 15 * time.Minute, concurrency: 24,
	}
}

// simulate plays the load until it is all acknowledged.
func (s *stage) simulate(ctx context.Context, l load) error {
	w := world.DefaultConfig()
	w.ChunkBytesMax = 600_000
	url := "http://" + s.sender.addr()
	args := []string{
		"simulate", "--url", url + "/webhooks/meta", "--secret", metaSecret,
		"--dialog-url", url + "/webhooks/dialog", "--dialog-secret", dialogSecret,
		"--truth", s.truthFile(), "--retry-for", l.retryFor.String(), "--timeout", senderTimeout.String(), "--concurrency", strconv.Itoa(l.concurrency),
		"--seed", strconv.FormatUint(l.seed, 10), "--businesses", strconv.Itoa(l.businesses), "--messages", strconv.Itoa(l.messages),
		"--live", strconv.Itoa(l.live), "--contacts", strconv.Itoa(l.contacts), "--chunk-bytes-max", strconv.Itoa(w.ChunkBytesMax),
	}
	if l.over > 0 {
		w.Seed, w.Start = l.seed, time.Now()
		w.Businesses, w.Messages, w.Live, w.Contacts, w.Dialog = l.businesses, l.messages, l.live, l.contacts, 0.3
		n, err := deliveries(w)
		if err != nil {
			return err
		}
		args = append(args, "--rate", strconv.FormatFloat(float64(n)/l.over.Seconds(), 'f', 2, 64))
	}
	s.say("simulating %d businesses, %d past messages, %d live webhooks, %d contacts", l.businesses, l.messages, l.live, l.contacts)
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := runHere(cmd); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	return nil
}

// deliveries is how many webhooks a world sends.
func deliveries(c world.Config) (int, error) {
	w, err := world.New(c)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, stage := range w.Stages() {
		for _, script := range stage {
			for _, step := range script.Steps {
				n += len(step.Bodies)
			}
		}
	}
	return n, nil
}

// check judges the outcome.
func (s *stage) check(ctx context.Context, wait time.Duration) error {
	args := []string{"check", "--truth", s.truthFile(), "--wait", wait.String(), "--secret", metaSecret, "--secret", dialogSecret}
	if s.tables != nil {
		args = append(args, "--postgres")
	}
	if s.targets != nil {
		args = append(args, s.checkArgs()...)
	}
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	err := runHere(cmd)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == faultsExitCode {
		return fmt.Errorf("check: %w", errFaults)
	}
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// errFaults: check has found lost, repeated or misordered records, or targets of sinks that differ from the topics. Its exit
// code says so.
var errFaults = errors.New("the topics or the targets of the sinks are not as they should be")

const faultsExitCode = 3

// close ends everything but the cluster. Processes are killed: their orderly end is the business of kindScale.
func (s *stage) close() {
	if s.ingress != nil {
		s.ingress.kill()
	}
	for _, p := range s.processors {
		p.kill()
	}
	if s.tables != nil {
		if err := s.tables.close(); err != nil {
			s.say("%v", err)
		}
	}
	if s.targets != nil {
		s.targets.close()
	}
	if s.sender != nil {
		s.sender.close()
	}
	if s.disk != nil {
		s.disk.unmount(s.out)
		s.disk = nil
	}
}
