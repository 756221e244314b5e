package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

// shown is what the view says about the assets of messages.
func shown(t *testing.T, file string) string {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT wamid || ' ' || asset_state || ' ' || asset_reason || ' ' || asset_object || ' ' || COALESCE(asset_bytes, '-') FROM conversation ORDER BY wamid")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// A file of the version before gets the table and the view; the outcome of an asset is shown whether it comes before its message or later.
func TestTheConversationShowsTheAssetOfTheNewestEvent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "read.db")
	st, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP VIEW conversation; DROP TABLE assets; CREATE VIEW conversation AS SELECT 1"); err != nil { // as it was
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = sqlite.Open(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	asset := func(event, at, state, reason, object string) string {
		return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"2","event_id":%q,"event_type":"t","thread":"3","historical":false,"media_id":"4","type":"image","state":%q,"reason":%q,"object":%q,"bytes":5,`+
			`"expires_at":"2026-03-08T12:00:00Z","at":"2026-03-01T12:00:%sZ"}`, event, state, reason, object, at)
	}
	// Events of the batch have ids such as "id-1 0": the begin of the batch and the index
	edit := strings.Replace(strings.Replace(sinktest.Message("e1"), `"kind":"message","rank":1`, `"kind":"edit","rank":2,"original_wamid":"w2"`, 1), `"type":"text"`, `"type":"edit"`, 1)
	revoke := strings.Replace(strings.Replace(sinktest.Message("r1"), `"kind":"message","rank":1`, `"kind":"revoke","rank":3,"original_wamid":"w3"`, 1), `"type":"text"`, `"type":"revoke"`, 1)
	for _, batch := range [][]string{
		{sinktest.Message("w1"), asset("id-1 0", "01", "missing", "denied", "x")},
	} {
		for i := range batch {
			batch[i] = strings.Replace(batch[i], `,"object":"x"`, "", 1)
		}
		if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 10, batch...)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := shown(t, file), "w1 missing denied  5"; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	stored := func(event, object string) string {
		return strings.Replace(asset(event, "09", "stored", "", object), `"reason":"",`, "", 1)
	}
	if err := st.Apply(t.Context(), sinktest.Batch(t, 10, 20,
		stored("id-1 0", "o1"), strings.Replace(asset("id-1 0", "05", "missing", "expired", "x"), `,"object":"x"`, "", 1), // an older one comes later
		stored("id10 3", "o2"), sinktest.Message("w2"), stored("id10 5", "o3"), edit, // of the edit
		sinktest.Message("w3"), stored("id10 6", "o4"), revoke, sinktest.Message("w4"),
	)); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(t, file), "w1 stored  o1 5\nw2 stored  o3 5\nw3    -\nw4    -"; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}
