package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func sinkOf(t testing.TB, target sinks.Target, log sinks.Log) *sinks.Sink {
	t.Helper()
	c := sinks.DefaultConfig()
	c.Name, c.RecordsMax, c.Poll, c.Recheck, c.RetryMin, c.RetryMax = "test", 100, time.Millisecond, 50*time.Millisecond, time.Millisecond, 50*time.Millisecond
	sink, err := sinks.New(c, sinks.Deps{Log: log, Target: target, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func until(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// A rebuild repairs any change of the tables beside a running sink, which then continues. A reader sees the former rows or the new ones.
func TestARebuildRepairsTheTablesBesideTheSink(t *testing.T) {
	t.Parallel()
	st, file := opened(t)
	w := sinktest.NewWorld(21, 2000, 0, 1)
	w.Poison(3)
	log := sinktest.NewLog(w)
	log.Show(600)
	beside := sinkOf(t, st, log)
	running := sinks.Fill(t.Context(), beside)
	t.Cleanup(func() {
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	})
	until(t, beside.CaughtUp)
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"DELETE FROM reactions", "UPDATE contacts SET full_name = 'wrong'", "UPDATE threads SET messages = 99",
		"INSERT INTO businesses VALUES ('invented', '', x'')",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Rollback() }()
	read := func() (n int) {
		if err := reader.QueryRow("SELECT count(*) FROM businesses WHERE waba_id = 'invented'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if read() != 1 {
		t.Fatal("the reader sees nothing wrong yet")
	}

	sh, err := sqlite.OpenShadow(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	filling := sinks.Fill(t.Context(), sinkOf(t, sh.Store(), log))
	if err := filling.Wait(t.Context(), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	stands := func() (sum int64) {
		if err := db.QueryRow("SELECT sum(next) FROM positions").Scan(&sum); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	before := stands()
	log.Show(1000)
	until(t, func() bool { return stands() > before }) // the running sink reads on, and the second file has to follow
	behind := int64(0)
	changed, err := sh.Replace(t.Context(), func(ctx context.Context) error {
		behind = stands()
		return filling.Finish(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if now := stands(); now < behind {
		t.Errorf("the tables stand at %d, and stood at %d before", now, behind)
	}
	if err := sh.Close(); err != nil {
		t.Fatal(err)
	}
	repaired := map[string]sinks.Changed{}
	for _, c := range changed {
		repaired[c.Table] = c
	}
	if r, c, b := repaired["reactions"], repaired["contacts"], repaired["businesses"]; r.Added == 0 || r.Removed != 0 || c.Updated == 0 || b.Removed != 1 {
		t.Errorf("%+v", changed)
	}
	if read() != 1 {
		t.Error("a reader sees another content in one transaction")
	}
	if n := repaired["notes"]; n.Rows == 0 || n.Removed+n.Updated != 0 {
		t.Errorf("rows that were right were written: %+v", n)
	}
	until(t, func() bool { return beside.CaughtUp() && beside.Ready() == nil })
	if err := sinktest.Compare(contentOf(t, file).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
	for _, name := range sqlite.Files(file + ".rebuild") {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

// A comparison writes nothing. A rebuild removes the rest of one that was interrupted.
func TestARebuildBeginsAnewAfterAnInterruption(t *testing.T) {
	t.Parallel()
	st, file := opened(t)
	w := sinktest.NewWorld(22, 500, 0)
	log := sinktest.NewLog(w)
	run := func(target sinks.Target) {
		t.Helper()
		f := sinks.Fill(t.Context(), sinkOf(t, target, log))
		if err := errors.Join(f.Wait(t.Context(), func(int64) {}), f.Finish(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	run(st)
	// A killed rebuild leaves its file, which may be anything.
	if err := os.WriteFile(file+".rebuild", []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	sh, err := sqlite.OpenShadow(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	run(sh.Store())
	changed, err := sh.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changed {
		if c.Table != "positions" && (c.Added+c.Removed+c.Updated != 0) {
			t.Errorf("%+v of equal tables", c)
		}
	}
	if err := sh.Close(); err != nil {
		t.Fatal(err)
	}
}

// A second copy that does not follow replaces nothing.
func TestARebuildThatDoesNotFollowChangesNothing(t *testing.T) {
	t.Parallel()
	st, file := opened(t)
	w := sinktest.NewWorld(23, 500, 0)
	f := sinks.Fill(t.Context(), sinkOf(t, st, sinktest.NewLog(w)))
	if err := errors.Join(f.Wait(t.Context(), func(int64) {}), f.Finish(t.Context())); err != nil {
		t.Fatal(err)
	}
	sh, err := sqlite.OpenShadow(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	if _, err := sh.Replace(t.Context(), func(context.Context) error { return sinks.ErrBehind }); !errors.Is(err, sinks.ErrBehind) {
		t.Errorf("err %v", err)
	}
	if err := sinktest.Compare(contentOf(t, file).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 0)); err != nil && !errors.Is(err, sinks.ErrFenced) {
		t.Errorf("the file is still locked: %v", err)
	}
}
