package app

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
)

// inPostgres waits until the tables hold all events.
func (p *process) inPostgres() {
	p.t.Helper()
	p.until("the tables in PostgreSQL hold all events", func() bool {
		out, code := p.run("sink", "postgres", "status", "--output", "json")
		var s sinkStatus
		return code == 0 && json.Unmarshal([]byte(out), &s) == nil && s.Lag != nil && *s.Lag == 0 && s.Letters == 0
	})
}

// TestPostgresHoldsWhatTheTopicsHold runs instances that wait for the tables, are killed, and come and go while events arrive.
func TestPostgresHoldsWhatTheTopicsHold(t *testing.T) {
	server := postgresserver.Test(t, postgresserver.Config{})
	url := server.URL("postgres")
	dir := t.TempDir()
	config := "sink:\n  sqlite: {enabled: false}\n  postgres: {url_file: " + filepath.Join(dir, "url") + ", session_timeout: 6s}\n"
	for name, text := range map[string]string{"url": url + "\n", "coexstream.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := startUp(t, dir)
	kill := p.besideUntil(syscall.SIGKILL, "sink", "postgres", "--admin-listen", "127.0.0.1:0") // before there are tables
	if out, code := p.run("sink", "postgres", "status"); code == 0 || !strings.Contains(out, "coexstream sink postgres migrate") {
		t.Errorf("status without tables: %d\n%s", code, out)
	}
	if out, code := p.run("sink", "postgres", "migrate"); code != 0 || !strings.Contains(out, "schema coexstream has version") {
		t.Fatalf("migrate: %d\n%s", code, out)
	}
	if out, code := p.run("simulate", "--businesses", "2", "--messages", "3000"); code != 0 {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	stop := p.beside("sink", "postgres", "--admin-listen", "127.0.0.1:0")
	kill()
	if out, code := p.run("check"); code != 0 {
		t.Fatalf("check: %d\n%s", code, out)
	}
	p.inPostgres()
	db, err := sql.Open("pgx", url+"&search_path=coexstream")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p.holdsTheTopics(db)

	if out, code := p.run("sink", "postgres", "rebuild", "--dry-run"); code != 0 || !regexp.MustCompile(`messages +\d\d\d+ +0 +0 +0\n`).MatchString(out) || !strings.Contains(out, "nothing was changed") {
		t.Errorf("rehearse a rebuild: %d\n%s", code, out)
	}
	if _, err := db.Exec("DELETE FROM messages WHERE phone_number_id = (SELECT min(phone_number_id) FROM messages)"); err != nil {
		t.Fatal(err)
	}
	if out, code := p.run("sink", "postgres", "rebuild"); code != 0 || !regexp.MustCompile(`messages +\d\d\d+ +0 +\d\d\d+ +0\n`).MatchString(out) {
		t.Errorf("rebuild: %d\n%s", code, out)
	}
	p.holdsTheTopics(db)
	if out, code := p.run("sink", "postgres", "rebuild", "--keep"); code != 0 {
		t.Errorf("rebuild --keep: %d\n%s", code, out)
	}
	p.inPostgres()
	p.holdsTheTopics(db)

	var chat string
	if err := db.QueryRow("SELECT chat FROM threads WHERE chat ~ '^[0-9]+$' ORDER BY messages DESC LIMIT 1").Scan(&chat); err != nil {
		t.Fatal(err)
	}
	out, code := p.run("sink", "postgres", "erase", "--contact", "+"+chat, "--output", "json")
	var e erasure
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 || len(e.IDs) == 0 || e.Removed[0].Rows == 0 || len(e.Topics) < 8 {
		t.Errorf("erase: %d, err %v\n%s", code, err, out)
	}
	var left int
	if err := db.QueryRow("SELECT (SELECT count(*) FROM messages WHERE chat = $1) + (SELECT count(*) FROM threads WHERE chat = $1) + (SELECT count(*) FROM contacts WHERE id = $1)", chat).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, err %v", left, err)
	}
	stop()
}
