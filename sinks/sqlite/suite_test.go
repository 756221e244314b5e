package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func subject(t *testing.T) sinktest.Subject {
	return subjectAt(filepath.Join(t.TempDir(), "read me.db"))
}

func subjectAt(file string) sinktest.Subject {
	return sinktest.Subject{
		Open: func(t testing.TB) sinktest.Target {
			t.Helper()
			st, err := sqlite.Open(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			return st
		},
		Content: func(t testing.TB) *sinktest.Content { return contentOf(t, file) },
		Hold:    func(t testing.TB) func() { return held(t, file) },
		Rebuild: func(t testing.TB, fill func(sinktest.Target)) {
			rebuilt(t, file, func(sh *sqlite.Shadow) { fill(sh.Store()) })
		},
	}
}

// rebuilt rebuilds the tables beside those who have the file open.
func rebuilt(t testing.TB, file string, fill func(*sqlite.Shadow)) []sinks.Changed {
	t.Helper()
	sh, err := sqlite.OpenShadow(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	fill(sh)
	changed, err := sh.Replace(t.Context(), func(context.Context) error { return nil })
	if err := errors.Join(err, sh.Close()); err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestSuite(t *testing.T) { sinktest.Suite(t, subject) }

// held takes the right to write, as another program may.
func held(t testing.TB, file string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestProcesses takes about half a minute, and is a part of make test-sinks.
func TestProcesses(t *testing.T) {
	sinktest.Long(t)
	sinktest.Processes(t, func(t *testing.T) sinktest.Place {
		file := filepath.Join(t.TempDir(), "read.db")
		return sinktest.Place{Subject: subjectAt(file), Target: file}
	})
}

// A program that writes for longer than SQLite waits makes the sink wait, and loses nothing.
func TestAFileThatIsLockedForLongLosesNothing(t *testing.T) {
	sinktest.Long(t)
	sinktest.Locked(t, subject(t))
}
