package postgres_test

import (
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

func incompressible(n int) string {
	rng := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"[rng.IntN(64)]
	}
	return string(b)
}

func TestMigrationsRunOnceWhoeverBegins(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	var wg sync.WaitGroup
	steps := make([]int, 3)
	for i := range steps {
		wg.Go(func() {
			done, err := postgres.Migrate(t.Context(), url, schema)
			if err != nil {
				t.Error(err)
				return
			}
			steps[i] = len(done.Steps)
			if done.To != postgres.Version {
				t.Errorf("version %d, want %d", done.To, postgres.Version)
			}
		})
	}
	wg.Wait()
	if sum := steps[0] + steps[1] + steps[2]; sum != postgres.Version {
		t.Errorf("%v migrations, want each of %d once", steps, postgres.Version)
	}
}

func TestEveryTableAndColumnIsDescribedInTheDatabase(t *testing.T) {
	t.Parallel()
	conn := connected(t, migrated(t))
	rows, err := conn.Query(t.Context(), `SELECT c.relname || '.' || a.attname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'migrations'
  AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)`, schema)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&name}, func() error { t.Errorf("%s has no comment", name); return nil }); err != nil {
		t.Fatal(err)
	}
	var columns int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM information_schema.columns WHERE table_schema = $1", schema).Scan(&columns); err != nil || columns < 150 {
		t.Errorf("%d columns, err %v", columns, err)
	}
}

// later are the migrations of a program to come: it adds what migrations may add.
func later(t *testing.T) fs.FS {
	t.Helper()
	all := fstest.MapFS{"00005_later.sql": {Data: []byte(`-- +goose Up
ALTER TABLE messages ADD COLUMN language text NOT NULL DEFAULT '';
ALTER TABLE positions ADD COLUMN note text;
CREATE TABLE labels (id bigint PRIMARY KEY);
CREATE INDEX messages_by_type ON messages (type);
-- +goose Down
DROP INDEX messages_by_type; DROP TABLE labels; ALTER TABLE positions DROP COLUMN note; ALTER TABLE messages DROP COLUMN language;
`)}}
	files, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := postgres.Migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(name, "migrations/")] = &fstest.MapFile{Data: b}
	}
	return all
}

// An instance of this version continues while a later version migrates.
func TestAnOlderProgramWorksWithLaterTables(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	w := sinktest.NewWorld(31, 3000, 0, 1)
	log := sinktest.NewLog(w)
	log.Show(300)
	sink, err := patient(opened(t, url), log, 100)
	if err != nil {
		t.Fatal(err)
	}
	migrated := false
	err = runUntil(t.Context(), sink, func() bool {
		if !sink.CaughtUp() {
			return false
		}
		if !migrated {
			migrated = true
			done, err := postgres.MigrateFrom(t.Context(), url, schema, later(t))
			if err != nil || done.To != postgres.Version+1 {
				t.Errorf("%+v, err %v", done, err)
				return true
			}
			log.Show(1000)
			return false
		}
		return len(contentOf(t, url).Lines()) >= len(w.Fold())
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil { // the older program changes nothing of it
		t.Errorf("migrate back: %v", err)
	}
}
