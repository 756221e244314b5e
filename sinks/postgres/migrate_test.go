package postgres_test

import (
	"fmt"
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
	all := fstest.MapFS{"00008_later.sql": {Data: []byte(`-- +goose Up
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

// earlier are the migrations up to a version.
func earlier(t *testing.T, version int) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	files, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	if err != nil || len(files) != postgres.Version {
		t.Fatal(files, err)
	}
	for _, name := range files[:version] {
		b, err := postgres.Migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(name, "migrations/")] = &fstest.MapFile{Data: b}
	}
	return all
}

// The statements of the program of version 4, for rows of an edit, a reaction, a status and an error.
const ofVersion4 = `INSERT INTO messages AS t (phone_number_id, wamid, event_id, kind, type, thread, chat, group_id, wa_id, user_id, direction, sender, recipient, at, sort_at, historical, standby, sync_window, text, original, content_order)
  VALUES ('2', 'known', '', 'message', 'text', '5511987654321', '551187654321', '', '', '', 'inbound', '', '', NULL, 'epoch', false, false, 0, '', '', 'a') ON CONFLICT DO NOTHING;
INSERT INTO versions AS t (phone_number_id, wamid, what, event_id, at, type, text, original, version_order)
  VALUES ('2', 'known', 'edit', '', NULL, '', '', '', $1), ('2', 'never came', 'edit', '', NULL, '', '', '{"to":"5511987654321"}', $1)
  ON CONFLICT (phone_number_id, wamid, what) DO UPDATE SET version_order = excluded.version_order WHERE excluded.version_order > t.version_order;
INSERT INTO reactions AS t (phone_number_id, wamid, sender, event_id, at, type, emoji, original, emoji_order)
  VALUES ('2', 'known', '', '', NULL, '', 'x', '', $1) ON CONFLICT (phone_number_id, wamid, sender) DO UPDATE SET emoji_order = excluded.emoji_order WHERE excluded.emoji_order > t.emoji_order;
INSERT INTO receipts AS t (phone_number_id, wamid, participant, status, sent_at, delivered_at, read_at, played_at, failed_event_id, failed_at, failed_type, failed_original, status_order, failed_order)
  VALUES ('2', 'known', '', 'read', NULL, NULL, NULL, NULL, '', NULL, '', '', $1, '') ON CONFLICT (phone_number_id, wamid, participant) DO UPDATE SET status_order = excluded.status_order WHERE excluded.status_order > t.status_order;
INSERT INTO notes AS t (event_id, topic, kind, waba_id, phone_number_id, display_phone_number, thread, at, text, original, note_order)
  VALUES ('id', 'messages', 'error', '', '2', '', '', NULL, '', '', $1) ON CONFLICT (event_id) DO UPDATE SET note_order = excluded.note_order WHERE excluded.note_order > t.note_order`

// Rows of the version before get their person where the message is known. Its programs still write beside the new columns.
func TestRowsOfTheVersionBeforeGetTheirPerson(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	if _, err := postgres.MigrateFrom(t.Context(), url, schema, earlier(t, 4)); err != nil {
		t.Fatal(err)
	}
	conn := connected(t, url)
	write := func(order string) {
		t.Helper()
		for _, statement := range strings.Split(strings.ReplaceAll(ofVersion4, "$1", "'"+order+"'"), ";\n") {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	write("a")
	if done, err := postgres.Migrate(t.Context(), url, schema); err != nil || done.From != 4 || done.To != postgres.Version {
		t.Fatalf("%+v, err %v", done, err)
	}
	for range 2 {
		var got string
		if err := conn.QueryRow(t.Context(), `SELECT string_agg(x, ', ' ORDER BY x) FROM (
  SELECT 'version of ' || wamid || ': ' || person AS x FROM versions UNION ALL SELECT 'reaction: ' || person FROM reactions UNION ALL SELECT 'receipt: ' || person FROM receipts) s`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := "reaction: 551187654321, receipt: , version of known: 551187654321, version of never came: "; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		write("b")
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO numbers VALUES ('2', '', '', '', '', '', '')"); err != nil {
		t.Fatal(err)
	}
	done, err := postgres.Erase(t.Context(), url, schema, postgres.Person{ID: "551187654321"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(done.Removed), "[{messages 1} {versions 2} {receipts 1} {reactions 1} {assets 0} {notes 0} {contacts 0} {threads 0} {letters 0}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A migration that fills a column does so batch by batch: what it filled is free while it waits for a row.
func TestPeopleAreFilledInBatches(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	if _, err := postgres.MigrateFrom(t.Context(), url, schema, earlier(t, 5)); err != nil {
		t.Fatal(err)
	}
	conn, writer := connected(t, url), connected(t, url)
	for _, statement := range []string{
		`INSERT INTO messages (phone_number_id, wamid, event_id, kind, type, thread, chat, group_id, wa_id, user_id, direction, sender, recipient, sort_at, historical, standby, sync_window, text, original, content_order)
SELECT '2', lpad(i::text, 5, '0'), '', 'message', '', '', '551187654321', '', '', '', 'inbound', '', '', now(), false, false, 0, '', '', '' FROM generate_series(1, 5000) i`,
		"INSERT INTO versions (phone_number_id, wamid, what, event_id, type, text, original, version_order) SELECT '2', lpad(i::text, 5, '0'), 'edit', '', '', '', '', '' FROM generate_series(1, 5000) i",
		"INSERT INTO reactions (phone_number_id, wamid, sender, event_id, type, emoji, original, emoji_order) SELECT '2', lpad(i::text, 5, '0'), 's', '', '', '', '', '' FROM generate_series(1, 5000) i",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := writer.Exec(t.Context(), "BEGIN; SELECT FROM versions WHERE wamid = '04999' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(t.Context(), url, schema)
		migrated <- err
	}()
	filled := func(table string) (n int) {
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE person = '551187654321'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	until(t, func() bool { return filled("versions") == 4000 })
	if _, err := conn.Exec(t.Context(), "SET lock_timeout = '30s'; UPDATE versions SET text = 'x' WHERE wamid = '00001'"); err != nil {
		t.Errorf("a row of a batch before: %v", err)
	}
	if _, err := writer.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	if v, r := filled("versions"), filled("reactions"); v != 5000 || r != 5000 {
		t.Errorf("%d versions and %d reactions have their person", v, r)
	}
}

// A migration that waits for a reader who does not end lets others go first: sinks write meanwhile.
func TestAMigrationThatWaitsKeepsNobodyFromWriting(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	if _, err := postgres.MigrateFrom(t.Context(), url, schema, earlier(t, 4)); err != nil {
		t.Fatal(err)
	}
	reader, writer := connected(t, url), connected(t, url)
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT * FROM versions"); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() {
		done, err := postgres.Migrate(t.Context(), url, schema)
		if err == nil && (done.From != 4 || len(done.Steps) != postgres.Version-4) {
			err = fmt.Errorf("%+v", done)
		}
		migrated <- err
	}()
	until(t, func() (waits bool) {
		if err := reader.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'versions'::regclass)").Scan(&waits); err != nil {
			t.Fatal(err)
		}
		return waits
	})
	if _, err := writer.Exec(t.Context(), "SET statement_timeout = '50s'; INSERT INTO versions (phone_number_id, wamid, what, event_id, type, text, original, version_order) VALUES ('2', 'w', 'edit', '', '', '', '', '')"); err != nil {
		t.Errorf("a writer beside the migration: %v", err)
	}
	select {
	case err := <-migrated:
		t.Errorf("the migration did not wait for the reader: %v", err)
	default:
	}
	if _, err := reader.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Error(err)
	}
}
