package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// Tables of the version before get the table and the columns of the view, while a program of that version writes. The outcome of an asset is shown whether it
// comes before its message or later, and of several the latest.
func TestTheConversationShowsTheAssetOfTheNewestEvent(t *testing.T) {
	t.Parallel()
	url := shared.URL(t)
	if _, err := postgres.MigrateFrom(t.Context(), url, schema, earlier(t, 6)); err != nil {
		t.Fatal(err)
	}
	reader := connected(t, url)
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT * FROM messages, versions, receipts, reactions"); err != nil { // keeps their locks
		t.Fatal(err)
	}
	if done, err := postgres.Migrate(t.Context(), url, schema); err != nil || done.From != 6 || done.To != 7 {
		t.Fatalf("%+v, err %v", done, err)
	}
	if _, err := reader.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	st := opened(t, url)
	stored := func(event, at, object string) string {
		return fmt.Sprintf(`{"waba_id":"1","phone_number_id":"2","event_id":%q,"event_type":"t","thread":"3","historical":false,"media_id":"4","type":"image","state":"stored","object":%q,"bytes":5,`+
			`"mime_type":"image/png","expires_at":"2026-03-08T12:00:00Z","at":"2026-03-01T12:00:%sZ"}`, event, object, at)
	}
	missing := func(event, at string) string {
		return strings.Replace(strings.Replace(stored(event, at, "x"), `"object":"x",`, "", 1), `"state":"stored"`, `"state":"missing","reason":"denied"`, 1)
	}
	shown := func() string {
		t.Helper()
		rows, err := reader.Query(t.Context(), "SELECT concat_ws(' ', wamid, asset_state, asset_reason, asset_object, asset_mime_type, asset_bytes) FROM conversation ORDER BY wamid")
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	if err := st.Apply(t.Context(), batchOf(t, -1, 10, sinktest.Message("w1"), missing("id-1 0", "01"))); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(), "w1 missing denied  image/png 5"; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	edit := strings.Replace(strings.Replace(sinktest.Message("e1"), `"kind":"message","rank":1`, `"kind":"edit","rank":2,"original_wamid":"w2"`, 1), `"type":"text"`, `"type":"edit"`, 1)
	revoke := strings.Replace(strings.Replace(sinktest.Message("r1"), `"kind":"message","rank":1`, `"kind":"revoke","rank":3,"original_wamid":"w3"`, 1), `"type":"text"`, `"type":"revoke"`, 1)
	if err := st.Apply(t.Context(), batchOf(t, 10, 20, // the events have ids such as "id10 3": the begin of the batch and the index
		stored("id-1 0", "09", "o1"), missing("id-1 0", "05"), stored("id10 3", "01", "o2"), sinktest.Message("w2"), stored("id10 5", "01", "o3"), edit,
		sinktest.Message("w3"), stored("id10 6", "01", "o4"), revoke, sinktest.Message("w4"),
	)); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(), "w1 stored  o1 image/png 5\nw2 stored  o3 image/png 5\nw3    \nw4    "; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}
