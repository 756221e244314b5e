package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/internal/testing/seeds"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

const childEnv = "SINK_TEST_URL"

func killedWorld() *sinktest.World {
	w := sinktest.NewWorld(9, 4000, 0, 1)
	w.Poison(5)
	return w
}

func patient(target sinks.Target, log sinks.Log, recordsMax int) (*sinks.Sink, error) {
	c := sinks.DefaultConfig()
	c.Name, c.RecordsMax, c.Poll, c.RetryMin, c.RetryMax = "test", recordsMax, time.Millisecond, time.Millisecond, 50*time.Millisecond
	return sinks.New(c, sinks.Deps{Log: log, Target: target, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
}

// runUntil runs a sink until something is true, or a minute has passed.
func runUntil(ctx context.Context, sink *sinks.Sink, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	go func() {
		for ctx.Err() == nil && !done() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := sink.Run(ctx); err != nil {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.Join(errors.New("it did not come to the end"), sink.Ready())
	}
	return nil
}

// child fills a database from the world, and ends when it is full.
func child(url string) error {
	st, err := postgres.Open(context.Background(), configOf(url))
	if err != nil {
		return err
	}
	defer st.Close()
	sink, err := patient(st, sinktest.NewLog(killedWorld()), 20)
	if err != nil {
		return err
	}
	return runUntil(context.Background(), sink, sink.CaughtUp)
}

// TestContentIsWholeAfterKills kills a process that writes, at any moment, and reads what the last one left.
func TestContentIsWholeAfterKills(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	rng := rand.New(rand.NewPCG(seeds.Of(t), 0))
	kills := 50
	if testing.Short() {
		kills = 5
	}
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+url)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	killed := 0
	for range kills {
		cmd := start()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Duration(50+rng.IntN(80)) * time.Millisecond):
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			<-ended
			killed++
		}
	}
	if killed == 0 {
		t.Error("every process was done before it was killed")
	}
	if err := start().Wait(); err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Compare(contentOf(t, url).Lines(), killedWorld().Fold()); err != nil {
		t.Error(err)
	}
	t.Logf("killed %d times", killed)
}

// TestContentIsWholeAfterTheDatabaseCrashes ends the server in the middle of transactions, and starts it again.
func TestContentIsWholeAfterTheDatabaseCrashes(t *testing.T) {
	t.Parallel()
	server := postgresserver.Test(t, postgresserver.Config{})
	url := server.URL("postgres")
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	st := opened(t, url)
	sink, err := patient(st, sinktest.NewLog(killedWorld()), 5)
	if err != nil {
		t.Fatal(err)
	}
	crashes := 0
	err = runUntil(t.Context(), sink, func() bool {
		if crashes < 4 && !sink.CaughtUp() {
			time.Sleep(100 * time.Millisecond)
			crashes++
			if err := errors.Join(server.Kill(), server.Start(t.Context())); err != nil {
				t.Error(err)
				return true
			}
		}
		return sink.CaughtUp()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Compare(contentOf(t, url).Lines(), killedWorld().Fold()); err != nil {
		t.Error(err)
	}
	t.Logf("crashed %d times", crashes)
}
