package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func subject(t *testing.T) sinktest.Subject {
	file := filepath.Join(t.TempDir(), "read me.db")
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
	}
}

func TestSuite(t *testing.T) { sinktest.Suite(t, subject) }
