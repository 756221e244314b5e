package tables

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

const requestedSync = `{"phone_number_id":"n","window":2,"state":"running","messages":0,"status":"requested","onboarded_at":"1970-01-01T00:00:10Z",
"requested_at":"1970-01-01T00:00:20Z","request_deadline_at":"1970-01-02T00:00:10Z","requests":[{"sync_type":"contacts","state":"accepted","requested_by":"x"},{"sync_type":"history","state":"accepted","requested_by":"cli"}]}`

func syncRecord(partition int32, offset int64, value string) *kgo.Record {
	r := record(schemas.TypeSync, "s", value)
	r.Key, r.Partition, r.Offset = []byte("n"), partition, offset
	if value == "" {
		r.Value = nil
	}
	return r
}

// TestTheStatusOfASyncInTheTablesIsThatOfTheNewestRecord gives the judge rows with one wrong column each.
func TestTheStatusOfASyncInTheTablesIsThatOfTheNewestRecord(t *testing.T) {
	row := []any{"n", 2, "running", "requested", 0, 10, 20, 86410, "cli", 0}
	change := func(at int, to any) []any {
		c := slices.Clone(row)
		c[at] = to
		return c
	}
	for name, c := range map[string]struct {
		records []*kgo.Record
		rows    [][]any
		want    TableVerdict
	}{
		"right":           {nil, [][]any{row}, TableVerdict{Owed: 1, Seen: 1}},
		"lost":            {nil, nil, TableVerdict{Owed: 1, Lost: 1}},
		"another state":   {nil, [][]any{change(2, "done")}, TableVerdict{Owed: 1, Seen: 1, Wrong: 1}},
		"another status":  {nil, [][]any{change(3, "silent")}, TableVerdict{Owed: 1, Seen: 1, Wrong: 1}},
		"another time":    {nil, [][]any{change(6, 21)}, TableVerdict{Owed: 1, Seen: 1, Wrong: 1}},
		"another end":     {nil, [][]any{change(7, 0)}, TableVerdict{Owed: 1, Seen: 1, Wrong: 1}},
		"another client":  {nil, [][]any{change(8, "x")}, TableVerdict{Owed: 1, Seen: 1, Wrong: 1}},
		"another code":    {nil, [][]any{change(9, 100)}, TableVerdict{Owed: 1, Seen: 1, Wrong: 1}},
		"an older window": {nil, [][]any{row, change(1, 1)}, TableVerdict{Owed: 1, Seen: 2, Unjudged: 1}}, // its record was compacted
		"invented":        {nil, [][]any{row, change(1, 3)}, TableVerdict{Owed: 1, Seen: 2, Unexpected: 1}},
		"withdrawn":       {[]*kgo.Record{syncRecord(0, 9, "")}, nil, TableVerdict{}},
		"told again":      {[]*kgo.Record{syncRecord(0, 9, ""), syncRecord(1, 1, requestedSync)}, [][]any{row}, TableVerdict{Owed: 1, Seen: 1}},
		"refused": {
			[]*kgo.Record{syncRecord(0, 9, `{"phone_number_id":"n","window":2,"state":"running","status":"refused","requests":[{"sync_type":"history","state":"refused","requested_by":"cli","error":{"code":2593108}}]}`)},
			[][]any{{"n", 2, "running", "refused", 0, 0, 0, 0, "cli", 2593108}},
			TableVerdict{Owed: 1, Seen: 1},
		},
		"declined": {
			[]*kgo.Record{syncRecord(0, 9, `{"phone_number_id":"n","window":2,"state":"declined","status":"declined","error":[{"code":2593109}]}`)},
			[][]any{{"n", 2, "declined", "declined", 0, 0, 0, 0, "", 2593109}},
			TableVerdict{Owed: 1, Seen: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := held(t)
			for _, r := range c.rows {
				if _, err := db.Exec("INSERT INTO sync_status VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", r...); err != nil {
					t.Fatal(err)
				}
			}
			want := newRows()
			for _, r := range append([]*kgo.Record{syncRecord(0, 5, requestedSync), syncRecord(0, 4, `{"phone_number_id":"n","window":2,"state":"done"}`)}, c.records...) {
				if err := want.add(schemas.TopicSyncs, r); err != nil {
					t.Fatal(err)
				}
			}
			v := &Verdict{}
			if err := v.judge(t.Context(), Config{DB: db, Dialect: SQLite, SamplesMax: 5}, want, nil); err != nil {
				t.Fatal(err)
			}
			c.want.Table = syncs
			if got := v.Tables[len(v.Tables)-1]; got != c.want {
				t.Errorf("%+v, want %+v: %q", got, c.want, v.Samples)
			}
		})
	}
}
