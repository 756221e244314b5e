package postgres_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// commitMessage is what a client sends to commit.
var commitMessage = []byte("Q\x00\x00\x00\x0bcommit\x00")

// gate stands between a store and its server, and hears each commit before the server does.
type gate struct {
	listener net.Listener
	server   string
	// atCommit decides the outcome of a commit. forward passes it to the server; with lost, the server's answer is
	// awaited and lost.
	atCommit func(forward func(lost bool))
	running  sync.WaitGroup
}

// gated is the URL by which a store reaches its server through a gate.
func gated(t *testing.T, server string, atCommit func(forward func(lost bool))) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{server: u.Host, atCommit: atCommit}
	if g.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.listener.Close() // once
		g.running.Wait()
	})
	g.running.Go(func() {
		for {
			client, err := g.listener.Accept()
			if err != nil {
				return
			}
			g.running.Go(func() { g.carry(client) })
		}
	})
	u.Host = g.listener.Addr().String()
	return u.String()
}

func (g *gate) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		return // the server is away, and so is this connection
	}
	defer server.Close()
	var mu sync.Mutex
	var lost chan struct{} // closed when an answer was lost; nil: answers are passed on
	g.running.Go(func() {
		defer client.Close()
		defer server.Close()
		for b := make([]byte, 64<<10); ; {
			n, err := server.Read(b)
			mu.Lock()
			swallow := lost
			mu.Unlock()
			switch {
			case err != nil:
				return
			case swallow != nil:
				close(swallow)
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	})
	for b := make([]byte, 64<<10); ; {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		pass := func() { _, err = server.Write(b[:n]) }
		if bytes.Contains(b[:n], commitMessage) {
			forwarded := false
			g.atCommit(func(lose bool) {
				forwarded = true
				answered := make(chan struct{})
				if lose {
					mu.Lock()
					lost = answered
					mu.Unlock()
				}
				if pass(); lose && err == nil {
					<-answered
				}
			})
			if !forwarded {
				return
			}
		} else {
			pass()
		}
		if err != nil {
			return
		}
	}
}

// TestContentIsWholeAfterTheDatabaseDiesAtACommit crashes the server before a commit, during one, and behind one whose answer is lost.
func TestContentIsWholeAfterTheDatabaseDiesAtACommit(t *testing.T) {
	t.Parallel()
	server := postgresserver.Test(t, postgresserver.Config{})
	direct := server.URL("postgres")
	if _, err := postgres.Migrate(t.Context(), direct, schema); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	commits, crashes := 0, 0
	crash := func() {
		if err := errors.Join(server.Kill(), server.Start(t.Context())); err != nil {
			t.Error(err)
		}
		crashes++
	}
	through := gated(t, direct, func(forward func(lost bool)) {
		mu.Lock()
		defer mu.Unlock()
		if commits++; commits%15 != 0 || crashes == 6 {
			forward(false)
			return
		}
		switch crashes % 3 {
		case 0:
			crash()
		case 1:
			forward(false)
			crash()
		case 2:
			forward(true)
			crash()
		}
	})
	w := killedWorld()
	sink, err := patient(opened(t, through), sinktest.NewLog(w), 20)
	if err != nil {
		t.Fatal(err)
	}
	if err := runUntil(t.Context(), sink, sink.CaughtUp); err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Compare(contentOf(t, direct).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if crashes != 6 {
		t.Errorf("%d crashes in %d commits, want 6", crashes, commits)
	}
}

// A process that is suspended in the middle of a transaction keeps others from its partition for the time of a transaction, and no longer.
func TestATransactionThatIsSuspendedIsTakenOver(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	caught, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	through := gated(t, url, func(forward func(lost bool)) {
		once.Do(func() {
			close(caught)
			<-release
		})
		forward(false)
	})
	c := configOf(through)
	c.Timeout = time.Second
	zombie, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer zombie.Close()
	suspended := make(chan error, 1)
	go func() {
		for {
			err := zombie.Apply(t.Context(), batchOf(t, -1, 1, oneMessage))
			select {
			case <-caught:
				suspended <- err
				return
			default: // a slow machine: the time was over before the commit
			}
		}
	}()
	<-caught

	other := opened(t, url)
	if err := other.Apply(t.Context(), batchOf(t, -1, 2, oneMessage)); err != nil {
		t.Errorf("the other one: %v", err)
	}
	close(release)
	if err := <-suspended; err == nil {
		t.Error("the zombie committed")
	}
	again := zombie.Apply(t.Context(), batchOf(t, -1, 1, oneMessage))
	for errors.Is(again, sinks.ErrSlow) {
		again = zombie.Apply(t.Context(), batchOf(t, -1, 1, oneMessage))
	}
	if !errors.Is(again, sinks.ErrFenced) {
		t.Errorf("the zombie again: %v, want ErrFenced", again)
	}
	if p, err := other.Positions(t.Context(), 0); err != nil || len(p) != 1 {
		t.Errorf("positions %v, err %v", p, err)
	}
}
