package postgres_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks/postgres"
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
	conn := connected(t, migrated(t))
	rows, err := conn.Query(t.Context(), `SELECT c.relname || COALESCE('.' || a.attname, '')
FROM pg_class c LEFT JOIN (SELECT * FROM pg_attribute WHERE attnum > 0 UNION ALL SELECT a.* FROM pg_attribute a WHERE false) a ON a.attrelid = c.oid
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
