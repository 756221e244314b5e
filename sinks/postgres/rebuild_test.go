package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

func fill(t *testing.T, url, schema string, w *sinktest.World) {
	t.Helper()
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	cfg := configOf(url)
	cfg.Schema = schema
	st, err := postgres.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	follow(t, st, w)
}

func follow(t *testing.T, target sinks.Target, w *sinktest.World) {
	t.Helper()
	sink, err := patient(target, sinktest.NewLog(w), 200)
	if err != nil {
		t.Fatal(err)
	}
	if err := runUntil(t.Context(), sink, sink.CaughtUp); err != nil {
		t.Fatal(err)
	}
}

// A rebuild repairs any change of the tables, beside a running sink, and keeps objects that others added to the schema.
func TestARebuildRepairsTheTablesAndLeavesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	w := sinktest.NewWorld(21, 2000, 0, 1)
	w.Poison(3)
	fill(t, url, schema, w)
	conn := connected(t, url)
	role := "reader_" + strings.ToLower(rand.Text()) // roles are of the whole server
	var deleted int64
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM messages WHERE wamid = 'w1'").Scan(&deleted); err != nil || deleted == 0 {
		t.Fatalf("%d messages, err %v", deleted, err)
	}
	if _, err := conn.Exec(t.Context(), `CREATE VIEW mine AS SELECT count(*) AS n FROM messages;
CREATE ROLE `+role+`; GRANT SELECT ON messages TO `+role+`; ALTER TABLE messages ADD COLUMN assignee text;
DELETE FROM messages WHERE wamid = 'w1'; UPDATE contacts SET full_name = 'wrong'; UPDATE threads SET messages = 99;
INSERT INTO businesses VALUES ('invented', '', ''); DELETE FROM letters`); err != nil {
		t.Fatal(err)
	}
	if sinktest.Compare(contentOf(t, url).Lines(), w.Fold()) == nil {
		t.Fatal("nothing is wrong yet")
	}
	st := opened(t, url)
	log := sinktest.NewLog(w)
	beside, err := patient(st, log, 200)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- beside.Run(ctx) }()

	shadow := shadowed(t, url, func(target sinktest.Target) { follow(t, target, w) })
	rehearsed, err := shadow.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sinktest.Compare(contentOf(t, url).Lines(), w.Fold()) == nil {
		t.Error("a comparison changed the tables")
	}
	if err := shadow.Close(t.Context()); err != nil {
		t.Error(err)
	}
	changed := replaced(t, url, func(target sinktest.Target) { follow(t, target, w) })
	repaired := map[string]sinks.Changed{}
	for i, c := range changed {
		if c.Table == "positions" {
			continue // their times differ
		}
		if c != rehearsed[i] {
			t.Errorf("%+v, rehearsed %+v", c, rehearsed[i])
		}
		repaired[c.Table] = c
	}
	for name, ok := range map[string]func(c sinks.Changed) bool{
		"messages": func(c sinks.Changed) bool { return c.Added == deleted && c.Removed == 0 }, "contacts": func(c sinks.Changed) bool { return c.Updated > 0 },
		"threads": func(c sinks.Changed) bool { return c.Updated > 0 && c.Updated == c.Rows }, "businesses": func(c sinks.Changed) bool { return c.Removed == 1 },
		"letters": func(c sinks.Changed) bool { return c.Added == 3 }, "notes": func(c sinks.Changed) bool { return c.Rows > 0 && c.Added+c.Removed+c.Updated == 0 },
	} {
		if !ok(repaired[name]) {
			t.Errorf("%+v", repaired[name])
		}
	}
	if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
	var n, rights int
	if err := conn.QueryRow(t.Context(), "SELECT n, (SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = '"+role+"') FROM mine").Scan(&n, &rights); err != nil || n == 0 || rights != 1 {
		t.Errorf("the view of others counts %d messages, the reader has %d rights, err %v", n, rights, err)
	}
	var shadows int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname = $1", postgres.ShadowOf(schema)).Scan(&shadows); err != nil || shadows != 0 {
		t.Errorf("%d shadows are left, err %v", shadows, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// schemasOf are the schemas of a database that begin with a name.
func schemasOf(t *testing.T, url string) (names []string) {
	t.Helper()
	err := connected(t, url).QueryRow(t.Context(), "SELECT COALESCE(array_agg(nspname::text ORDER BY nspname), '{}') FROM pg_namespace WHERE starts_with(nspname, $1)", schema).Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Two rebuilds at once would read the positions of each other: the second one is refused, and so is reading again.
func TestOneRebuildRunsAtATime(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	first, err := postgres.OpenShadow(t.Context(), url, schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.OpenShadow(t.Context(), url, schema); !errors.Is(err, postgres.ErrRebuilding) || !strings.Contains(err.Error(), "server process ") {
		t.Errorf("a second rebuild: %v, want ErrRebuilding and who it is", err)
	}
	if err := postgres.ReadAgain(t.Context(), url, schema); !errors.Is(err, postgres.ErrRebuilding) {
		t.Errorf("reading again: %v, want ErrRebuilding", err)
	}
	if _, err := postgres.Migrate(t.Context(), url, "other"); err != nil {
		t.Fatal(err)
	}
	beside, err := postgres.OpenShadow(t.Context(), url, "other")
	if err != nil {
		t.Fatalf("a rebuild of another schema: %v", err)
	}
	if err := errors.Join(first.Close(t.Context()), beside.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	// A rebuild that was interrupted is gone on with.
	again, err := postgres.OpenShadow(t.Context(), url, schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Close(t.Context()), postgres.ReadAgain(t.Context(), url, schema)); err != nil {
		t.Error(err)
	}
}

// A comparison leaves the database as it was: tables of an older version, and what an interrupted rebuild left.
func TestAComparisonChangesNothing(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	if _, err := connected(t, url).Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.OpenShadow(t.Context(), url, schema); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("a schema without tables: %v, want ErrNotMigrated", err)
	}
	var tables int
	if err := connected(t, url).QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relnamespace = $1::regnamespace", schema).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables were made, err %v", tables, err)
	}
	if got := schemasOf(t, url); !slices.Equal(got, []string{schema}) {
		t.Errorf("schemas %v", got)
	}
	if _, err := postgres.Migrate(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{{schema}, {schema, postgres.ShadowOf(schema)}} {
		if len(want) == 2 { // an interrupted rebuild left its schema
			shadow, err := postgres.OpenShadow(t.Context(), url, schema)
			if err != nil {
				t.Fatal(err)
			}
			if err := shadow.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		shadow, err := postgres.OpenShadow(t.Context(), url, schema)
		if err != nil {
			t.Fatal(err)
		}
		_, err = shadow.Compare(t.Context())
		if err := errors.Join(err, shadow.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := schemasOf(t, url); !slices.Equal(got, want) {
			t.Errorf("schemas %v, want %v", got, want)
		}
	}
}

// Reading again keeps rows whose events the topics do not hold any more, and takes back removals that were missed.
func TestReadingAgainKeepsWhatTheTopicsNoLongerHold(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	former := sinktest.NewWorld(22, 1500, 0)
	fill(t, url, schema, former)
	later := sinktest.NewWorld(23, 60, 0) // little is left
	if err := postgres.ReadAgain(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	before := contentOf(t, url).Rows
	follow(t, opened(t, url), later)
	content := contentOf(t, url)
	kept := 0
	for id := range before.Notes {
		if content.Rows.Notes[id] != nil {
			kept++
		}
	}
	if kept != len(before.Notes) || len(before.Notes) < 100 || len(content.Rows.Messages) < len(before.Messages) {
		t.Errorf("%d notes of %d, %d messages of %d", kept, len(before.Notes), len(content.Rows.Messages), len(before.Messages))
	}
	// Address book and syncs are those of the topics alone. The profile names of people that the later topics do not name stay.
	only := func(lines []string, kind, upTo string) (all []string) {
		for _, line := range lines {
			if line, _, _ := strings.Cut(line, upTo); strings.HasPrefix(line, kind) {
				all = append(all, line)
			}
		}
		return all
	}
	if got, want := only(content.Lines(), "sync ", "\n"), only(later.Fold(), "sync ", "\n"); !slices.Equal(got, want) || len(got) == 0 {
		t.Errorf("syncs\n got %v\nwant %v", got, want)
	}
	// A contact of whom the later topics say nothing is not in the book any more.
	nobody := fmt.Sprintf("book %q %s removed false", "", "-")
	books := map[string]string{}
	for _, line := range only(later.Fold(), "contact ", " profile ") {
		who, book, _ := strings.Cut(line, " book ")
		books[who] = "book " + book
	}
	inBook := 0
	for _, line := range only(content.Lines(), "contact ", " profile ") {
		who, book, _ := strings.Cut(line, " book ")
		want := books[who]
		if want == "" {
			want = nobody
		}
		if want != nobody {
			inBook++
		}
		if "book "+book != want {
			t.Errorf("%s: book %s, want %s", who, book, want)
		}
		delete(books, who)
	}
	if len(books) > 0 || inBook == 0 {
		t.Errorf("missing %v, %d in the book", books, inBook)
	}
}
