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

	"github.com/coexstream/coexstream/internal/testing/long"
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
	long.Test(t)
	t.Parallel()
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
	p.tablesAreJudged("--postgres")
	if out, code := p.run("sink", "postgres", "rebuild", "--dry-run"); code != 0 || !regexp.MustCompile(`messages +\d\d\d+ +0 +0 +0\n`).MatchString(out) || !strings.Contains(out, "nothing was changed") {
		t.Errorf("rehearse a rebuild: %d\n%s", code, out)
	}
	p.faultsAreFound(db)
	if out, code := p.run("sink", "postgres", "rebuild"); code != 0 || !regexp.MustCompile(`messages +\d\d\d+ +1 +1 +1\n`).MatchString(out) {
		t.Errorf("rebuild: %d\n%s", code, out)
	}
	p.tablesAreJudged("--postgres")
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
	p.erasedRowsAreKnown(db, e.Removed[0].Rows)
	stop()
}

// erasedRowsAreKnown holds that check counts erased rows apart, and finds one that is there again.
func (p *process) erasedRowsAreKnown(db *sql.DB, messages int64) {
	p.t.Helper()
	out, code := p.run("check", "--postgres", "--output", "json")
	var c checked
	if err := afterProgress(out, &c); err != nil || code != 0 || len(c.Sinks) != 1 || !c.Sinks[0].OK() || int64(c.Sinks[0].Tables[0].Erased) != messages {
		p.t.Errorf("check after an erasure of %d messages: %d, err %v\n%s", messages, code, err, out)
	}
	if _, err := db.Exec("DELETE FROM erased"); err != nil {
		p.t.Fatal(err)
	}
	out, code = p.run("check", "--postgres", "--output", "json")
	if err := afterProgress(out, &c); err != nil || code != ExitFaults || int64(c.Sinks[0].Tables[0].Lost) != messages {
		p.t.Errorf("check of rows that are missing: %d, err %v\n%s", code, err, out)
	}
}

// tablesAreJudged holds that check finds nothing wrong with tables.
func (p *process) tablesAreJudged(flags ...string) {
	p.t.Helper()
	out, code := p.run(append([]string{"check", "--output", "json"}, flags...)...)
	var c checked
	if err := afterProgress(out, &c); err != nil || code != 0 || len(c.Sinks) != 1 || !c.Sinks[0].OK() {
		p.t.Errorf("check %v: %d, err %v\n%s", flags, code, err, out)
		return
	}
	for _, t := range c.Sinks[0].Tables {
		if t.Seen == 0 && t.Table != "assets" || t.Seen != t.Owed { // no media sink runs here
			p.t.Errorf("%+v", t)
		}
	}
}

// faultsAreFound damages each table in each way, and lets check find it.
func (p *process) faultsAreFound(db *sql.DB) {
	p.t.Helper()
	for _, damage := range map[string]struct{ lost, wrong, unexpected string }{
		"messages":  {"DELETE FROM messages WHERE wamid = (SELECT min(wamid) FROM messages)", "UPDATE messages SET original = original || ' ' WHERE wamid = (SELECT max(wamid) FROM messages)", "INSERT INTO messages SELECT phone_number_id, 'invented', event_id, kind, type, thread, '', group_id, wa_id, user_id, direction, sender, recipient, at, sort_at, historical, standby, sync_window, text, original, content_order FROM messages LIMIT 1"},
		"versions":  {"DELETE FROM versions WHERE wamid = (SELECT min(wamid) FROM versions WHERE what <> 'media')", "UPDATE versions SET original = '{}' WHERE wamid = (SELECT max(wamid) FROM versions WHERE what <> 'media')", "INSERT INTO versions SELECT phone_number_id, 'invented', what, event_id, at, type, text, original, version_order FROM versions LIMIT 1"},
		"receipts":  {"DELETE FROM receipts WHERE wamid = (SELECT min(wamid) FROM receipts)", "UPDATE receipts SET status = 'sent' WHERE wamid = (SELECT max(wamid) FROM receipts WHERE status = 'read')", "INSERT INTO receipts SELECT phone_number_id, 'invented', participant, status, sent_at, delivered_at, read_at, played_at, failed_event_id, failed_at, failed_type, failed_original, status_order, failed_order FROM receipts LIMIT 1"},
		"reactions": {"DELETE FROM reactions WHERE wamid = (SELECT min(wamid) FROM reactions)", "UPDATE reactions SET emoji = 'wrong' WHERE wamid = (SELECT max(wamid) FROM reactions)", "INSERT INTO reactions SELECT phone_number_id, 'invented', sender, event_id, at, type, emoji, original, emoji_order FROM reactions LIMIT 1"},
		"contacts":  {"UPDATE contacts SET in_book = false, removed = false WHERE id = (SELECT min(id) FROM contacts WHERE in_book)", "UPDATE contacts SET full_name = 'wrong' WHERE id = (SELECT max(id) FROM contacts WHERE in_book)", "UPDATE contacts SET in_book = true WHERE id = (SELECT min(id) FROM contacts c WHERE book_order = '')"},
		"notes":     {"DELETE FROM notes WHERE event_id = (SELECT min(event_id) FROM notes)", "", "INSERT INTO notes SELECT 'invented', topic, kind, waba_id, phone_number_id, display_phone_number, thread, at, text, original, note_order FROM notes LIMIT 1"},
		"syncs":     {"DELETE FROM syncs WHERE phone_number_id = (SELECT min(phone_number_id) FROM syncs)", "UPDATE syncs SET status = 'silent' WHERE phone_number_id = (SELECT max(phone_number_id) FROM syncs)", "INSERT INTO syncs SELECT (jsonb_populate_record(s, '{\"sync_window\": 99}')).* FROM syncs s LIMIT 1"},
		"threads":   {"DELETE FROM threads WHERE chat = (SELECT min(chat) FROM threads)", "UPDATE threads SET unread = unread + 1 WHERE chat = (SELECT max(chat) FROM threads)", "INSERT INTO threads SELECT phone_number_id, 'invented', messages, last_wamid, last_at, unread, unread_since FROM threads LIMIT 1"},
	} {
		for _, query := range []string{damage.lost, damage.wrong, damage.unexpected} {
			if query == "" {
				continue
			}
			if n, err := db.Exec(query); err != nil {
				p.t.Fatalf("%s: %v", query, err)
			} else if rows, _ := n.RowsAffected(); rows == 0 {
				p.t.Fatalf("%s: no row", query)
			}
		}
	}
	out, code := p.run("check", "--postgres", "--output", "json")
	var c checked
	if err := afterProgress(out, &c); err != nil || code != ExitFaults || len(c.Sinks) != 1 || c.Verdict.Faults != 0 {
		p.t.Fatalf("check of damaged tables: %d, err %v\n%s", code, err, out)
	}
	for _, t := range c.Sinks[0].Tables {
		if t.Table == "assets" {
			continue
		}
		if t.Lost == 0 || t.Wrong == 0 && t.Table != "notes" || t.Unexpected == 0 {
			p.t.Errorf("%+v: not all of its damage is found", t)
		}
	}
}

// afterProgress reads the JSON that follows lines of progress.
func afterProgress(out string, to any) error {
	return json.Unmarshal([]byte(out[max(0, strings.Index(out, "{")):]), to)
}
