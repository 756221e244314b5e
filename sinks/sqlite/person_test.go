package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

// A file of the version before has no column person. Opening it adds the column, and fills it where the message is known. A program of that version
// can write to the file afterwards.
func TestAFileOfTheVersionBeforeGetsThePeopleOfItsRows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "read.db")
	st, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	const head = `{"waba_id":"1","phone_number_id":"2","direction":"outbound","historical":false,"thread":"5511987654321","timestamp":20,`
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 5,
		head+`"kind":"message","rank":1,"wamid":"known","type":"text","original":{}}`,
		head+`"kind":"edit","rank":2,"wamid":"e1","original_wamid":"known","type":"edit","original":{}}`,
		head+`"kind":"edit","rank":2,"wamid":"e2","original_wamid":"never came","type":"edit","original":{}}`,
		head+`"kind":"reaction","rank":1,"wamid":"r","type":"reaction","original":{"reaction":{"message_id":"known","emoji":"x"}}}`,
		head+`"kind":"status","wamid":"known","status":"read","original":{}}`)); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	people := func() (got string) {
		t.Helper()
		if err := db.QueryRow(`SELECT group_concat(x, ', ') FROM (SELECT 'version of ' || wamid || ': ' || person AS x FROM versions
UNION ALL SELECT 'reaction: ' || person FROM reactions UNION ALL SELECT 'receipt: ' || person FROM receipts ORDER BY x)`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got, want := people(), "reaction: 551187654321, receipt: 551187654321, version of known: 551187654321, version of never came: 551187654321"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, table := range []string{"versions", "receipts", "reactions", "notes"} {
		if _, err := db.Exec("ALTER TABLE " + table + " DROP COLUMN person"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		again, err := sqlite.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := people(), "reaction: 551187654321, receipt: , version of known: 551187654321, version of never came: "; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if _, err := db.Exec(`INSERT INTO versions (phone_number_id, wamid, what, event_id, at, type, text, original, version_order) VALUES ('2', 'w', 'edit', '', 0, '', '', '', x'00')`); err != nil {
		t.Errorf("the statement of the version before: %v", err)
	}
}
