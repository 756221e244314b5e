package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func TestMain(m *testing.M) {
	if sinktest.Child(func(ctx context.Context, file string) (sinktest.Target, error) { return sqlite.Open(ctx, file) }) {
		return
	}
	os.Exit(m.Run())
}

// A process that writes is killed at any moment, the next one continues, and the file is sound.
func TestContentIsWholeAfterKills(t *testing.T) {
	file := filepath.Join(t.TempDir(), "read.db")
	sinktest.Kills(t, func(*testing.T) sinktest.Place { return sinktest.Place{Subject: subjectAt(file), Target: file} })
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s, err %v", verdict, err)
	}
}
