package postgres_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// documented are the SQL blocks of docs/sinks.md, with roles of this test's own: roles are of the whole server.
func documented(t *testing.T, suffix string) []string {
	t.Helper()
	b, err := os.ReadFile("../../docs/sinks.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(b), "```sql\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		for _, role := range []string{"coexstream_owner", "coexstream_writer", "coexstream_reader"} {
			block = strings.ReplaceAll(block, role, role+suffix)
		}
		blocks = append(blocks, block)
	}
	if len(blocks) != 3 {
		t.Fatalf("%d SQL blocks, want those of the roles, of the policies and of the partitions", len(blocks))
	}
	return blocks
}

// The roles of the documentation can do what they are for, and no more.
func TestDocumentedRolesAreEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	server := postgresserver.Test(t, postgresserver.Config{})
	suffix := "_" + strings.ToLower(rand.Text()[:6])
	blocks := documented(t, suffix)
	admin := server.URL("postgres")
	run := func(url, sql string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), sql)
		return err
	}
	if err := run(admin, blocks[0]); err != nil {
		t.Fatal(err)
	}
	as := func(role string) string { return server.URLOf("coexstream_"+role+suffix, "change me", "postgres") }
	if _, err := postgres.Migrate(t.Context(), as("owner"), schema); err != nil {
		t.Fatalf("the owner cannot migrate: %v", err)
	}
	st := opened(t, as("writer"))
	if err := st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage)); err != nil {
		t.Errorf("the writer cannot write: %v", err)
	}
	if _, err := postgres.Erase(t.Context(), as("writer"), schema, postgres.Person{ID: "nobody"}, false); err != nil {
		t.Errorf("the writer cannot erase: %v", err)
	}
	if err := run(as("writer"), "DROP TABLE coexstream.messages"); err == nil {
		t.Error("the writer drops a table")
	}
	if err := run(as("reader"), "SELECT * FROM coexstream.inbox"); err != nil {
		t.Errorf("the reader cannot read: %v", err)
	}
	if err := run(as("reader"), "DELETE FROM coexstream.messages"); err == nil {
		t.Error("the reader deletes")
	}

	if err := run(admin, blocks[1]); err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer(`"phone_number_id":"2"`, `"phone_number_id":"7"`, `"w"`, `"w7"`).Replace(oneMessage)
	if _, err := st.Positions(t.Context(), 0); err != nil {
		t.Error(err)
	}
	b := batchOf(t, 1, 2, other)
	b.Erasures = st.Erasures().Version // the writer erased somebody
	if err := st.Apply(t.Context(), b); err != nil {
		t.Errorf("the writer cannot write under the policies: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), as("reader"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	seen := func() (numbers string) {
		if err := conn.QueryRow(t.Context(), "SELECT COALESCE(string_agg(phone_number_id, ',' ORDER BY phone_number_id), '') FROM coexstream.conversation").Scan(&numbers); err != nil {
			t.Error(err)
		}
		return numbers
	}
	if n := seen(); n != "" {
		t.Errorf("a reader without numbers sees %s", n)
	}
	if err := run(admin, "INSERT INTO coexstream.tenants VALUES ('coexstream_reader"+suffix+"', '7')"); err != nil {
		t.Fatal(err)
	}
	if n := seen(); n != "7" {
		t.Errorf("the reader of 7 sees %q", n)
	}
}

// With partitions and policies as documented, no partition shows a tenant the rows of others, and the writer writes.
func TestDocumentedPoliciesHoldForPartitions(t *testing.T) {
	t.Parallel()
	server := postgresserver.Test(t, postgresserver.Config{})
	suffix := "_" + strings.ToLower(rand.Text()[:6])
	blocks := documented(t, suffix)
	as := func(role string) string { return server.URLOf("coexstream_"+role+suffix, "change me", "postgres") }
	run := func(url, sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run(server.URL("postgres"), blocks[0])
	if _, err := postgres.Migrate(t.Context(), as("owner"), schema); err != nil {
		t.Fatal(err)
	}
	run(as("owner"), blocks[2])
	run(server.URL("postgres"), blocks[1])
	run(server.URL("postgres"), "INSERT INTO coexstream.tenants VALUES ('coexstream_reader"+suffix+"', '7')")
	st := opened(t, as("writer"))
	if err := st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage, strings.Replace(oneMessage, `"phone_number_id":"2"`, `"phone_number_id":"7"`, 1))); err != nil {
		t.Fatalf("the writer cannot write: %v", err)
	}
	reader, err := pgx.Connect(t.Context(), as("reader"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(t.Context())
	for table, want := range map[string]int{"messages": 1, "conversation": 1, "messages_0": 0, "messages_1": 0, "messages_2": 0, "messages_3": 0} {
		var n int
		if err := reader.QueryRow(t.Context(), "SELECT count(*) FROM coexstream."+table).Scan(&n); err != nil || n != want {
			t.Errorf("the reader of 7 sees %d rows in %s, err %v, want %d", n, table, err, want)
		}
	}
}

// A table of messages that is partitioned as documented holds the same, in the views, too, and after a rebuild.
func TestDocumentedPartitionsHoldTheSame(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	conn := connected(t, url)
	if _, err := conn.Exec(t.Context(), documented(t, "")[2]); err != nil {
		t.Fatal(err)
	}
	w := sinktest.NewWorld(41, 3000, 0, 1)
	fill(t, url, schema, w)
	if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
	var parted, shown int
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT count(DISTINCT tableoid) FROM messages), (SELECT count(*) FROM conversation)").Scan(&parted, &shown); err != nil || parted < 2 || shown == 0 {
		t.Errorf("%d partitions have messages, the view has %d, err %v", parted, shown, err)
	}
	if _, err := conn.Exec(t.Context(), "DELETE FROM messages WHERE wamid = 'w1'"); err != nil {
		t.Fatal(err)
	}
	replaced(t, url, func(target sinktest.Target) { follow(t, target, w) })
	if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
}
