package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

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

// runUntil runs a sink until something is true, or three minutes have passed.
func runUntil(ctx context.Context, sink *sinks.Sink, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
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

// A process that writes is killed at any moment, and the next one continues.
func TestContentIsWholeAfterKills(t *testing.T) {
	t.Parallel()
	sinktest.Kills(t, place)
}

// watched counts the results of the batches of a store.
type watched struct {
	*postgres.Store
	begun, failed atomic.Int64
}

func (w *watched) Apply(ctx context.Context, b *sinks.Batch) error {
	w.begun.Add(1)
	err := w.Store.Apply(ctx, b)
	if err != nil {
		w.failed.Add(1)
	}
	return err
}

// TestContentIsWholeAfterTheDatabaseCrashes ends the server while batches are written, and starts it again.
func TestContentIsWholeAfterTheDatabaseCrashes(t *testing.T) {
	t.Parallel()
	server := postgresserver.Test(t, postgresserver.Config{})
	url := server.URL("postgres")
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	w := killedWorld()
	st, log := &watched{Store: opened(t, url)}, sinktest.NewLog(w)
	log.Show(0)
	sink, err := patient(st, log, 5)
	if err != nil {
		t.Fatal(err)
	}
	const crashes = 4
	crashed, begun, failed := 0, int64(0), int64(0)
	err = runUntil(t.Context(), sink, func() bool {
		switch {
		case st.failed.Load() < failed: // the last crash has not been noticed yet
		case crashed < crashes && st.begun.Load() >= begun+5: // in the middle of its work
			failed = st.failed.Load() + 1
			if err := errors.Join(server.Kill(), server.Start(t.Context())); err != nil {
				t.Error(err)
				return true
			}
			crashed++
			begun = st.begun.Load()
			log.Show(200 * (crashed + 1))
		case crashed == 0:
			log.Show(200)
		}
		return crashed == crashes && st.failed.Load() >= failed && sink.CaughtUp() && len(contentOf(t, url).Lines()) >= len(w.Fold())
	})
	if err != nil || crashed != crashes || st.failed.Load() < crashes {
		t.Fatalf("%d crashes, %d batches failed: %v", crashed, st.failed.Load(), err)
	}
	if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
}
