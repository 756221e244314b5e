package tables

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

func record(ceType, id, value string) *kgo.Record {
	return &kgo.Record{Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte(ceType)}, {Key: "ce_id", Value: []byte(id)}}}
}

// The rules are those of docs/consuming.md, for any order of the records.
func TestRowsAreTheSameInEveryOrder(t *testing.T) {
	message := func(kind string, rank int, at int64, historical bool, original string) *kgo.Record {
		return record(schemas.TypeMessage, "x", fmt.Sprintf(`{"phone_number_id":"n","wamid":"w","kind":%q,"rank":%d,"timestamp":%d,"historical":%v,"original":%s}`, kind, rank, at, historical, original))
	}
	status := func(s string) *kgo.Record {
		return record(schemas.TypeStatus, "s", fmt.Sprintf(`{"phone_number_id":"n","wamid":"w","kind":"status","status":%q,"original":{}}`, s))
	}
	records := []*kgo.Record{
		message("placeholder", 0, 9, false, `{"p":1}`),
		message("message", 1, 5, true, `{"copy":1}`),
		message("message", 1, 3, false, `{"live":"\ud800"}`), // live content wins over a later copy, and over a placeholder
		message("edit", 2, 7, false, `{"edit":1}`), message("edit", 2, 8, false, `{"edit":2}`),
		status("read"), status("sent"), status("failed"), status("DELIVERED"),
		record(schemas.TypeError, "e1", `{"phone_number_id":"n","kind":"error","original":{}}`),
	}
	want := map[string]string{
		"messages n w": hash([]byte(`{"live":"\ud800"}`)), "versions n w edit": hash([]byte(`{"edit":2}`)), "receipts n w ": "read", "notes e1": "",
	}
	for turn := range len(records) {
		r := newRows()
		for i := range records {
			if err := r.add(schemas.TopicMessages, records[(i+turn)%len(records)]); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for table, keys := range r.of {
			for key, b := range keys {
				n++
				if value, ok := want[table+" "+key]; !ok || len(b.values) != 1 || !b.values[value] {
					t.Errorf("turn %d: %s %q: %v", turn, table, key, b.values)
				}
			}
		}
		if n != len(want) {
			t.Errorf("turn %d: %d rows, want %d", turn, n, len(want))
		}
	}
}

// Where the rules leave two events equal, either is right, and a third is not.
func TestEqualEventsMayEachStandInTheTable(t *testing.T) {
	r := newRows()
	for _, original := range []string{`{"a":1}`, `{"b":1}`} {
		if err := r.add(schemas.TopicMessages, record(schemas.TypeMessage, "x", `{"phone_number_id":"n","wamid":"w","kind":"message","rank":1,"timestamp":3,"original":`+original+`}`)); err != nil {
			t.Fatal(err)
		}
	}
	b := r.of[messages]["n w"]
	if !b.values[hash([]byte(`{"a":1}`))] || !b.values[hash([]byte(`{"b":1}`))] || len(b.values) != 2 {
		t.Errorf("%v", b.values)
	}
}

func TestChatsAreWorkedOutFromTheirMessages(t *testing.T) {
	lines := []line{{"a", 5, true}, {"c", 7, false}, {"b", 7, false}, {"d", 6, false}}
	for range lines {
		lines = append(lines[1:], lines[0])
		if got := chatOf(slices.Clone(lines)); got != "4 messages, last c at 7, 3 unread" {
			t.Errorf("%v: %s", lines, got)
		}
	}
	if err := newRows().add(schemas.TopicMessages, record(schemas.TypeMessage, "x", `{`)); err == nil {
		t.Error("a record that is no JSON makes a row")
	}
}
