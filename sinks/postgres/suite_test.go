package postgres_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

const schema = "coexstream"

var shared postgresserver.Shared

func TestMain(m *testing.M) {
	if sinktest.Child(func(ctx context.Context, url string) (sinktest.Target, error) {
		return postgres.Open(ctx, configOf(url))
	}) {
		return
	}
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// migrated is the URL of a new database with tables.
func migrated(t testing.TB) string {
	t.Helper()
	url := shared.URL(t)
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	return url
}

func configOf(url string) postgres.Config {
	return postgres.Config{URL: func() string { return url }, Schema: schema, ConnectionsMax: 4, Timeout: 30 * time.Second}
}

func opened(t testing.TB, url string) *postgres.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), configOf(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// impatient gives up a transaction that a slow target does not finish soon.
func impatient(url string) postgres.Config {
	c := configOf(url)
	c.Timeout = 200 * time.Millisecond
	return c
}

// held locks the positions against writers.
func held(t testing.TB, url string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE "+schema+".positions IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func subject(t *testing.T) sinktest.Subject { return subjectAt(migrated(t)) }

func subjectAt(url string) sinktest.Subject {
	return sinktest.Subject{
		Open: func(t testing.TB) sinktest.Target {
			t.Helper()
			st, err := postgres.Open(t.Context(), impatient(url))
			if err != nil {
				t.Fatal(err)
			}
			return st
		},
		Content: func(t testing.TB) *sinktest.Content { return contentOf(t, url) },
		Hold:    func(t testing.TB) func() { return held(t, url) },
		Rebuild: func(t testing.TB, fill func(sinktest.Target)) {
			replaced(t, url, fill)
		},
	}
}

// shadowed is the shadow of a schema, filled.
func shadowed(t testing.TB, url string, fill func(sinktest.Target)) *postgres.Shadow {
	t.Helper()
	shadow, err := postgres.OpenShadow(t.Context(), url, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shadow.Close(context.Background()) })
	c := configOf(url)
	c.Schema = shadow.Name()
	st, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	fill(st)
	return shadow
}

// finished is for a shadow that nobody fills any more.
func finished(context.Context) error { return nil }

// replaced rebuilds the tables.
func replaced(t testing.TB, url string, fill func(sinktest.Target)) []sinks.Changed {
	t.Helper()
	shadow := shadowed(t, url, fill)
	changed, err := shadow.Replace(t.Context(), finished)
	if err != nil {
		t.Fatal(err)
	}
	if err := shadow.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return changed
}

func TestSuite(t *testing.T) {
	t.Parallel()
	sinktest.Suite(t, subject)
}

// TestProcesses takes about half a minute, and is a part of make test-sinks.
func TestProcesses(t *testing.T) {
	sinktest.Long(t)
	sinktest.Processes(t, place)
}

// place is a database for processes.
func place(t *testing.T) sinktest.Place {
	url := migrated(t)
	return sinktest.Place{Subject: subjectAt(url), Target: url, Shared: true}
}

func TestTablesThatAreLockedForLongLoseNothing(t *testing.T) {
	t.Parallel()
	sinktest.Locked(t, subject(t))
}
