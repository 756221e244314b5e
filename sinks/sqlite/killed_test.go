package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/seeds"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

const childEnv = "SINK_TEST_FILE"

func TestMain(m *testing.M) {
	if sinktest.Child(func(ctx context.Context, file string) (sinktest.Target, error) { return sqlite.Open(ctx, file) }) {
		return
	}
	if file := os.Getenv(childEnv); file != "" {
		if err := child(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func killedWorld() *sinktest.World {
	w := sinktest.NewWorld(9, 4000, 0, 1)
	w.Poison(5)
	return w
}

// child fills a file from the world, and ends when it is full.
func child(file string) error {
	st, err := sqlite.Open(context.Background(), file)
	if err != nil {
		return err
	}
	c := sinks.DefaultConfig()
	c.Name, c.RecordsMax, c.Poll = "test", 20, time.Millisecond
	sink, err := sinks.New(c, sinks.Deps{Log: sinktest.NewLog(killedWorld()), Target: st, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() {
		for ctx.Err() == nil && !sink.CaughtUp() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := sink.Run(ctx); err != nil {
		return err
	}
	if !sink.CaughtUp() {
		return errors.New("it did not come to the end")
	}
	return st.Close()
}

// TestContentIsWholeAfterKills kills a process that writes, at any moment, and reads what the last one left.
func TestContentIsWholeAfterKills(t *testing.T) {
	file := filepath.Join(t.TempDir(), "read.db")
	rng := rand.New(rand.NewPCG(seeds.Of(t), 0))
	kills := 50
	if testing.Short() {
		kills = 5
	}
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+file)
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
		case <-time.After(time.Duration(20+rng.IntN(60)) * time.Millisecond):
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
	if err := sinktest.Compare(contentOf(t, file).Lines(), killedWorld().Fold()); err != nil {
		t.Error(err)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s, err %v", verdict, err)
	}
	t.Logf("killed %d times", killed)
}
