package postgres_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

const schema = "coexstream"

var shared postgresserver.Shared

func TestMain(m *testing.M) {
	if url := os.Getenv(childEnv); url != "" {
		if err := child(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
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

func subject(t *testing.T) sinktest.Subject {
	url := migrated(t)
	return sinktest.Subject{
		Open: func(t testing.TB) sinktest.Target {
			t.Helper()
			st, err := postgres.Open(t.Context(), configOf(url))
			if err != nil {
				t.Fatal(err)
			}
			return st
		},
		Content: func(t testing.TB) *sinktest.Content { return contentOf(t, url) },
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	sinktest.Suite(t, subject)
}
