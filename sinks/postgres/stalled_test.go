package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// cutOff is a network between a store and its server that stops to carry anything, while both ends of each connection stay open.
type cutOff struct {
	url   string
	begun chan struct{} // closed when it stopped

	mu     sync.Mutex
	at     string        // it stops where a client sends this
	stuck  bool          // nothing passes
	healed chan struct{} // closed: waiting bytes pass
}

// cutAt is a network that is cut where a client sends a text for the first time.
func cutAt(t *testing.T, server, at string) *cutOff {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	host := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = listener.Addr().String()
	c := &cutOff{url: u.String(), begun: make(chan struct{}), at: at, healed: make(chan struct{})}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close() // once
		c.heal()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", host)
				if err != nil {
					return
				}
				defer server.Close()
				running.Go(func() {
					defer client.Close()
					_, _ = io.Copy(client, &carried{server, c.wait})
				})
				_, _ = io.Copy(server, &carried{client, c.look})
			})
		}
	})
	return c
}

// carried is what passes before it is carried on.
type carried struct {
	from io.Reader
	pass func([]byte)
}

func (c *carried) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.pass(b[:n])
	return n, err
}

// look cuts the network at its place, and waits while it is cut.
func (c *cutOff) look(b []byte) {
	c.mu.Lock()
	if c.at != "" && bytes.Contains(b, []byte(c.at)) {
		c.at, c.stuck = "", true
		close(c.begun)
	}
	c.mu.Unlock()
	c.wait(b)
}

func (c *cutOff) wait([]byte) {
	c.mu.Lock()
	stuck := c.stuck
	c.mu.Unlock()
	if stuck {
		<-c.healed
	}
}

// now cuts the network.
func (c *cutOff) now() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stuck = true
}

// forget carries all bytes that are sent from now on. Waiting bytes never arrive.
func (c *cutOff) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stuck = false
}

// heal carries the waiting bytes, and all later ones.
func (c *cutOff) heal() {
	c.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.healed:
	default:
		close(c.healed)
	}
}

// brief gives up after a second.
func brief(t *testing.T, url string, connections int) *postgres.Store {
	t.Helper()
	c := configOf(url)
	c.Timeout, c.ConnectionsMax = time.Second, connections
	st, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// many is a batch that goes by COPY.
func many(t *testing.T, from, to int64) *sinks.Batch {
	t.Helper()
	var values []string
	for i := range 200 {
		values = append(values, strings.Replace(oneMessage, `"w"`, fmt.Sprintf(`"w%d"`, i), 1))
	}
	return batchOf(t, from, to, values...)
}

// within fails a test where something takes longer than a generous time.
func within(t *testing.T, what string, do func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(3 * time.Minute):
		t.Fatalf("%s: it still waits", what)
		return nil
	}
}

// An instance whose host is cut off in the middle of a COPY gives up, and keeps nobody from its partition: its server waits for the rest.
func TestAnInstanceThatIsCutOffInACopyHoldsNoPartition(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	cut := cutAt(t, url, "PGCOPY")
	defer cut.heal()
	zombie := brief(t, cut.url, 2)
	applied := make(chan error, 1)
	go func() { applied <- zombie.Apply(t.Context(), many(t, -1, 200)) }()
	<-cut.begun
	other := opened(t, url)
	if err := within(t, "the other one", func() error { return other.Apply(t.Context(), many(t, -1, 300)) }); err != nil {
		t.Errorf("the other one: %v", err)
	}
	if err := within(t, "the one that is cut off", func() error { return <-applied }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the one that is cut off: %v", err)
	}
	cut.heal()
	err := within(t, "the zombie", func() (err error) {
		for { // its second is short on a busy machine
			if err = zombie.Apply(t.Context(), many(t, -1, 200)); !errors.Is(err, sinks.ErrSlow) {
				return err
			}
		}
	})
	if !errors.Is(err, sinks.ErrFenced) {
		t.Errorf("the zombie: %v, want ErrFenced", err)
	}
	if p, err := other.Positions(t.Context(), 0); err != nil || p[schemas.TopicMessages].Next != 300 {
		t.Errorf("positions %v, err %v", p, err)
	}
}

// A host that is cut off while connections are prepared costs no connection.
func TestConnectionsThatCannotBePreparedAreGivenUp(t *testing.T) {
	t.Parallel()
	cut := cutAt(t, migrated(t), "SET search_path")
	defer cut.heal()
	st := brief(t, cut.url, 1)
	if err := within(t, "the first attempt", func() error { return st.Apply(t.Context(), many(t, -1, 200)) }); err == nil {
		t.Error("it was applied")
	}
	<-cut.begun
	cut.forget()
	err := within(t, "the next attempt", func() (err error) {
		for range 10 { // the connection of the first attempt is given up in its own time
			if err = st.Apply(t.Context(), many(t, -1, 200)); !errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A server process that is suspended in the middle of a COPY makes the instance try again, and nothing is lost when it continues.
func TestAServerThatIsSuspendedInACopyIsTriedAgain(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	conn := connected(t, url)
	w := sinktest.NewWorld(51, 3000, 0, 1)
	st := brief(t, url, 4)
	log := sinktest.NewLog(w)
	log.Show(300)
	sink, err := patient(st, log, 500)
	if err != nil {
		t.Fatal(err)
	}
	var suspended []int
	suspend := func() {
		rows, err := conn.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE application_name = 'coexstream sink' AND datname = current_database()")
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var pid int
			if err := rows.Scan(&pid); err != nil {
				t.Error(err)
			}
			if err := syscall.Kill(pid, syscall.SIGSTOP); err == nil {
				suspended = append(suspended, pid)
			}
		}
	}
	defer func() {
		for _, pid := range suspended {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
		}
	}()
	step := 0
	err = runUntil(t.Context(), sink, func() bool {
		switch {
		case step == 0 && sink.CaughtUp():
			suspend()
			log.Show(1000)
			step = 1
		case step == 1 && sink.Ready() != nil: // it noticed
			for _, pid := range suspended {
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			}
			suspended, step = nil, 2
		case step == 2:
			return sink.CaughtUp() && len(contentOf(t, url).Lines()) >= len(w.Fold())
		}
		return false
	})
	if err != nil || step != 2 {
		t.Fatalf("step %d: %v", step, err)
	}
	if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
}

// Statements that an instance sent before its host was cut off end on the server, too: nobody cancels them.
func TestAStatementOfAnInstanceThatIsCutOffEnds(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	conn := connected(t, url)
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1, 0)", int32(postgres.LockOf(schema))); err != nil {
		t.Fatal(err)
	}
	waits := func(some bool) error {
		for {
			n := 0
			err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&n)
			if err != nil || some == (n > 0) {
				return err
			}
		}
	}
	cut := cutAt(t, url, "nothing that is sent")
	defer cut.heal()
	st := brief(t, cut.url, 1)
	applied := make(chan error, 1)
	go func() { applied <- st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage)) }()
	if err := within(t, "the statement waits", func() error { return waits(true) }); err != nil {
		t.Fatal(err)
	}
	cut.now()
	if err := within(t, "the instance", func() error { return <-applied }); err == nil {
		t.Error("it was applied")
	}
	if err := within(t, "the statement ends", func() error { return waits(false) }); err != nil {
		t.Fatal(err)
	}
}

// A store is closed soon although its host is cut off while a statement runs: nobody answers its cancellation.
func TestAStoreThatIsCutOffIsClosedSoon(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	conn := connected(t, url)
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1, 0)", int32(postgres.LockOf(schema))); err != nil {
		t.Fatal(err)
	}
	cut := cutAt(t, url, "pg_advisory_xact_lock")
	defer cut.heal()
	st := opened(t, cut.url)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	applied := make(chan error, 1)
	go func() { applied <- st.Apply(ctx, batchOf(t, -1, 1, oneMessage)) }()
	if err := within(t, "a statement", func() error { <-cut.begun; return nil }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := within(t, "the batch", func() error { return <-applied }); err == nil {
		t.Error("it was applied")
	}
	began := time.Now()
	if err := within(t, "the end", st.Close); err != nil {
		t.Error(err)
	}
	const pool = 15 * time.Second // what the pool waits for
	if d := time.Since(began); d > pool*2/3 {
		t.Errorf("it took %s", d)
	}
}

// A batch whose few rows are long goes by COPY as well: sent in pieces, it would keep others waiting.
func TestFewLongRowsGoByCopy(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	long := strings.Replace(oneMessage, `"body":"x"`, `"body":"`+strings.Repeat("x", 1<<20)+`"`, 1)
	cut := cutAt(t, url, "PGCOPY")
	defer cut.heal()
	st := brief(t, cut.url, 1)
	go func() { _ = st.Apply(t.Context(), batchOf(t, -1, 1, long)) }() // it is given up
	if err := within(t, "a COPY", func() error { <-cut.begun; return nil }); err != nil {
		t.Fatal(err)
	}
	other := opened(t, url)
	if err := other.Apply(t.Context(), batchOf(t, -1, 2, oneMessage, strings.Replace(long, `"w"`, `"long"`, 1))); err != nil {
		t.Fatal(err)
	}
	if c := contentOf(t, url); len(c.Rows.Messages) != 2 {
		t.Errorf("%d messages, want 2", len(c.Rows.Messages))
	}
}
