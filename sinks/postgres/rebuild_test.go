package postgres_test

import (
	"context"
	"crypto/rand"
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

	fill(t, url, postgres.ShadowOf(schema), w)
	rehearsed, err := postgres.Replace(t.Context(), url, schema, true)
	if err != nil {
		t.Fatal(err)
	}
	if sinktest.Compare(contentOf(t, url).Lines(), w.Fold()) == nil {
		t.Error("a rehearsal changed the tables")
	}
	changed, err := postgres.Replace(t.Context(), url, schema, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range changed {
		if c.Table == "positions" {
			continue // their times differ
		}
		if c != rehearsed[i] {
			t.Errorf("%+v, rehearsed %+v", c, rehearsed[i])
		}
		if want := map[string]bool{"messages": c.Added > 0, "contacts": c.Updated > 0, "threads": c.Updated > 0, "businesses": c.Removed == 1, "letters": c.Added == 3, "notes": c.Added+c.Removed+c.Updated == 0}; !want[c.Table] {
			if _, ok := want[c.Table]; ok {
				t.Errorf("%+v", c)
			}
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

// Reading again keeps rows whose events the topics do not hold any more, and takes back removals that were missed.
func TestReadingAgainKeepsWhatTheTopicsNoLongerHold(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	former := sinktest.NewWorld(22, 1500, 0)
	fill(t, url, schema, former)
	later := sinktest.NewWorld(23, 1500, 0)
	if err := postgres.ReadAgain(t.Context(), url, schema); err != nil {
		t.Fatal(err)
	}
	notes := len(contentOf(t, url).Rows.Notes)
	follow(t, opened(t, url), later)
	content := contentOf(t, url)
	if len(content.Rows.Notes) <= notes || notes == 0 {
		t.Errorf("%d notes, %d before", len(content.Rows.Notes), notes)
	}
	// Address book and syncs are those of the topics alone.
	books := func(lines []string) (all []string) {
		for _, c := range lines {
			if len(c) > 4 && c[:4] == "sync" {
				all = append(all, c)
			}
		}
		return all
	}
	if got, want := books(content.Lines()), books(later.Fold()); !slices.Equal(got, want) {
		t.Errorf("syncs\n got %v\nwant %v", got, want)
	}
}
