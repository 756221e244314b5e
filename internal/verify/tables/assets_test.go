package tables

import (
	"fmt"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// The latest outcome of an event counts, in every order of the records. One of somebody who was erased since is not expected.
func TestTheLatestOutcomeOfAnAssetIsThatOfTheTable(t *testing.T) {
	asset := func(event, at, state string, bytes int) string {
		return fmt.Sprintf(`{"phone_number_id":"n","event_id":%q,"wamid":"w","thread":"7","timestamp":5,"state":%q,"sha256":"s","bytes":%d,"at":"2026-03-01T12:00:%sZ"}`, event, state, bytes, at)
	}
	records := []string{asset("1", "01.5", "missing", 0), asset("1", "01.75", "stored", 3), asset("1", "01", "stored", 4), asset("2", "00", "missing", 0)}
	const right, older = `INSERT INTO assets VALUES ('n', '1', 'stored', '', 's', '', 3)`, `INSERT INTO assets VALUES ('n', '1', 'missing', '', 's', '', 0)`
	const second, invented = `INSERT INTO assets VALUES ('n', '2', 'missing', '', 's', '', 0)`, `INSERT INTO assets VALUES ('n', '3', 'missing', '', 's', '', 0)`
	for _, c := range []struct {
		what string
		rows []string
		want string
	}{
		{"right", []string{right, second}, "lost 0 wrong 0 unexpected 0"},
		{"an older outcome", []string{older, second}, "lost 0 wrong 1 unexpected 0"},
		{"lost", []string{second}, "lost 1 wrong 0 unexpected 0"},
		{"invented", []string{right, second, invented}, "lost 0 wrong 0 unexpected 1"},
	} {
		for turn := range records {
			db := held(t)
			for _, row := range c.rows {
				if _, err := db.Exec(row); err != nil {
					t.Fatal(err)
				}
			}
			want := newRows()
			for i := range records {
				if err := want.add(schemas.TopicAssets, record(schemas.TypeAsset, "x", records[(i+turn)%len(records)])); err != nil {
					t.Fatal(err)
				}
			}
			v := &Verdict{}
			if err := v.judge(t.Context(), Config{DB: db, Dialect: SQLite}, want, nil); err != nil {
				t.Fatal(err)
			}
			for _, table := range v.Tables {
				if got := fmt.Sprintf("lost %d wrong %d unexpected %d", table.Lost, table.Wrong, table.Unexpected); table.Table == assets && got != c.want {
					t.Errorf("%s, turn %d: %s, want %s", c.what, turn, got, c.want)
				}
			}
		}
	}
	erased := newRows()
	erased.erasures = erasures{[32]byte(personHash("n", "7")): 6000}
	if err := erased.add(schemas.TopicAssets, record(schemas.TypeAsset, "x", records[0])); err != nil {
		t.Fatal(err)
	}
	if len(erased.of[assets]) != 0 || erased.erased == nil || len(erased.erased.of[assets]) != 1 {
		t.Errorf("the asset of an erased person is expected: %v", erased.of[assets])
	}
}
