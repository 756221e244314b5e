package tables

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// held are tables with some messages, each with a receipt.
func held(t *testing.T, wamids ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "t.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	exec := func(query string, args ...any) {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE messages (phone_number_id, wamid, chat, original, historical, direction, sort_at);
CREATE TABLE versions (phone_number_id, wamid, what, original); CREATE TABLE receipts (phone_number_id, wamid, participant, status, person);
CREATE TABLE reactions (phone_number_id, wamid, sender, emoji); CREATE TABLE contacts (phone_number_id, id, full_name, removed, in_book);
CREATE TABLE assets (phone_number_id, event_id, state, reason, sha256, object, bytes); CREATE TABLE notes (event_id); CREATE TABLE threads (phone_number_id, chat, messages, last_wamid, last_at, unread); CREATE TABLE letters (x);
CREATE TABLE sync_status (phone_number_id, window, state, status, messages, onboarded_at, requested_at, request_deadline_at, requested_by, error_code)`)
	for _, wamid := range wamids {
		exec("INSERT INTO messages VALUES ('n', ?, '', '{}', true, 'inbound', 0)", wamid)
		exec("INSERT INTO receipts VALUES ('n', ?, '', 'read', '')", wamid)
	}
	return db
}

// owed are the messages "1" to "9" of a partition, at these seconds, with a receipt each.
func owed(t *testing.T, partition int32) *rows {
	t.Helper()
	want := newRows()
	for i := 1; i <= 9; i++ {
		r := record(schemas.TypeHistory, fmt.Sprint(i), fmt.Sprintf(`{"phone_number_id":"n","wamid":"%d","kind":"message","rank":1,"historical":true,"timestamp":%[1]d,"status":"read","original":{}}`, i))
		r.Partition = partition
		if err := want.add(schemas.TopicHistory, r); err != nil {
			t.Fatal(err)
		}
	}
	return want
}

// Rows that the retention of the tables removed are not lost. Other missing rows are.
func TestWhatTheRetentionOfTheTablesRemovedIsNotLost(t *testing.T) {
	db := held(t, "5", "6", "8", "9")
	for before, want := range map[int64]string{
		0: "lost 5 unjudged 0", // no retention
		5: "lost 1 unjudged 4",
		8: "lost 0 unjudged 5",
	} {
		v := &Verdict{}
		cfg := Config{DB: db, Dialect: SQLite}
		if before > 0 {
			cfg.Before = time.Unix(before, 0)
		}
		if err := v.judge(t.Context(), cfg, owed(t, 0), nil); err != nil {
			t.Fatal(err)
		}
		for _, table := range v.Tables {
			if table.Table != messages && table.Table != receipts {
				continue
			}
			if got := fmt.Sprintf("lost %d unjudged %d", table.Lost, table.Unjudged); got != want {
				t.Errorf("before %d, %s: %s, want %s", before, table.Table, got, want)
			}
		}
	}
}

// Rows whose events retention removed from the topics are not invented; where nothing was removed, they are.
func TestRowsThatAreOlderThanTheTopicsAreNotInvented(t *testing.T) {
	db := held(t, "1", "2", "3", "4", "5", "6", "7", "8", "9", "older")
	if _, err := db.Exec("UPDATE receipts SET status = 'played' WHERE wamid = '1'"); err != nil { // by an event that is gone
		t.Fatal(err)
	}
	byName := map[string]schemas.Topic{"history": schemas.TopicHistory, "contacts": schemas.TopicContacts}
	for _, tt := range []struct {
		topic     string
		partition int32 // in which the topic begins late
		faults    int
	}{
		{"history", 1, 0},
		{"history", 0, 3},  // of other businesses
		{"contacts", 1, 3}, // it is compacted
	} {
		at := kafka.TopicPartition{Topic: tt.topic, ID: tt.partition}
		cut := cutOf(map[kafka.TopicPartition]kafka.Range{at: {Start: 7, End: 20}, {Topic: "history", ID: 5}: {End: 20}}, byName)
		v := &Verdict{}
		if err := v.judge(t.Context(), Config{DB: db, Dialect: SQLite}, owed(t, 1), cut); err != nil {
			t.Fatal(err)
		}
		unjudged := 0
		for _, table := range v.Tables {
			unjudged += table.Unjudged
		}
		if v.Faults != tt.faults || unjudged != 3-tt.faults {
			t.Errorf("%v: %d faults and %d unjudged, want %d of 3", tt, v.Faults, unjudged, tt.faults)
		}
	}
}
