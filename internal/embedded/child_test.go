package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	childDirEnv  = "EMBEDDED_TEST_DIR"
	childSyncEnv = "EMBEDDED_TEST_SYNC"
	childDieEnv  = "EMBEDDED_TEST_DIE" // die when a commit was decided and nothing of it was done
)

// TestMain turns the test binary into a broker when a test starts it as a child, so that a test can kill
// a whole process.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDirEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := runChild(dir, os.Getenv(childSyncEnv) == "true"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(dir string, sync bool) error {
	if err := limitFiles(os.Getenv(childLimitEnv)); err != nil {
		return err
	}
	lock, err := Acquire(dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	b, err := Open(testConfig(dir, sync), slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	if os.Getenv(childDieEnv) != "" {
		b.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		})
	}
	fmt.Println("listening", b.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it: an orderly stop
	return b.Close()
}

func testFolder(dir string) folder { return folder{osDisk{}, dir} }

func fileExists(path string) bool { return testFolder("").exists(path) }

func testConfig(dir string, sync bool) Config {
	cfg := DefaultConfig(dir)
	cfg.Listen, cfg.SyncWrites, cfg.SegmentBytes = "127.0.0.1:0", sync, 1<<20
	return cfg
}

// child is a broker in a process of its own.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string

	alive context.Context // ends with the process
	ended context.CancelFunc
	once  sync.Once
}

// startChild starts a broker, with more variables in its environment.
func startChild(t *testing.T, dir string, sync bool, environ ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0])}
	c.alive, c.ended = context.WithTimeout(t.Context(), time.Minute)
	c.cmd.Env = append(os.Environ(), childDirEnv+"="+dir, fmt.Sprintf("%s=%v", childSyncEnv, sync))
	c.cmd.Env = append(c.cmd.Env, environ...)
	c.cmd.Stderr = os.Stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	c.addr = strings.TrimSpace(strings.TrimPrefix(line, "listening "))
	return c
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	c.once.Do(func() {
		_ = c.cmd.Process.Signal(syscall.SIGKILL)
		_ = c.cmd.Wait()
		c.ended()
	})
}

// wait takes note of its end by itself.
func (c *child) wait() {
	c.once.Do(func() {
		_ = c.cmd.Wait()
		c.ended()
	})
}

// stop ends it in order.
func (c *child) stop() {
	c.t.Helper()
	c.once.Do(func() {
		_ = c.stdin.Close()
		if err := c.cmd.Wait(); err != nil {
			c.t.Errorf("orderly stop: %v", err)
		}
		c.ended()
	})
}

// produce writes one record and gives up when the broker's process has ended: a client would try again
// for as long as it takes.
func (c *child) produce(cl *kgo.Client, r *kgo.Record) error {
	done := make(chan error, 1)
	cl.Produce(c.alive, r, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-c.alive.Done():
		return c.alive.Err()
	}
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequestRetries(0), kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t *testing.T, addr, topic string, partitions int32, config map[string]string) {
	t.Helper()
	cl := client(t, addr)
	configs := map[string]*string{}
	for k, v := range config {
		configs[k] = &v
	}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, configs, topic); err != nil {
		t.Fatal(err)
	}
}

// readCommitted reads everything that is committed in a partition.
func readCommitted(t *testing.T, addr, topic string, partition int32) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cl := client(t, addr,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond), kgo.RequestRetries(10))
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	stable, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, partition)
	if lso, _ := stable.Lookup(topic, partition); lso.Offset != end.Offset {
		t.Fatalf("%s/%d: last stable offset %d, end %d: a transaction is open", topic, partition, lso.Offset, end.Offset)
	}
	starts, err := kadm.NewClient(cl).ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	start, _ := starts.Lookup(topic, partition)
	var got []*kgo.Record
	for at := start.Offset; at < end.Offset; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("read %s/%d at %d of %d: %v", topic, partition, at, end.Offset, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if at = r.Offset + 1; !r.Attrs.IsControl() {
				got = append(got, r)
			}
		})
	}
	return got
}
