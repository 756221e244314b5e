package archive_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/testing/azurite"
	"github.com/coexstream/coexstream/internal/testing/packages"
	"github.com/coexstream/coexstream/schemas"
)

// seen is what a reader of Parquet sees.
type seen struct {
	Columns []string
	Rows    []map[string]any
}

func eventOf(offset int64, ceType, key, value string, more ...string) *kgo.Record {
	r := &kgo.Record{Offset: offset, Timestamp: time.UnixMilli(1_772_366_400_123), Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	headers := append([]string{
		"ce_specversion", "1.0", "ce_id", fmt.Sprint("id", offset), "ce_type", ceType, "ce_source", "/x", "ce_time", "2026-03-01T12:00:00.5Z",
		"coex-received-at", "1772366400000",
	}, more...)
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

// extracted are events, and the columns that queries find of them.
func extracted() (records []*kgo.Record, columns []map[string]any) {
	add := func(ceType, key, value string, want map[string]any, more ...string) {
		records = append(records, eventOf(int64(len(records)), ceType, key, value, more...))
		columns = append(columns, want)
	}
	add(schemas.TypeMessage, "2/3", `{"waba_id":"1","phone_number_id":"2","display_phone_number":"49","kind":"message","rank":1,"wamid":"w","thread":"3","contact":{"wa_id":"3","user_id":"DE.1","profile_name":"Ada é"},"direction":"inbound","timestamp":1700000000,"type":"text","historical":false,"original":{}}`,
		map[string]any{
			"waba_id": "1", "phone_number_id": "2", "display_phone_number": "49", "kind": "message", "wamid": "w", "thread": "3", "contact_id": "3", "contact_user_id": "DE.1",
			"contact_name": "Ada é", "direction": "inbound", "sent_at_ms": 1700000000000.0, "type": "text", "historical": false, "ce_type": schemas.TypeMessage,
			"received_at_ms": 1772366400000.0, "ce_time_ms": 1772366400500.0, "ce_source": "/x", "replay": "r7",
		}, "coex-replay", "r7")
	add(schemas.TypeHistory, "2/3", `{"waba_id":"1","phone_number_id":"2","kind":"edit","rank":2,"wamid":"e","original_wamid":"w","thread":"3","group_id":"g","direction":"outbound","timestamp":0,"type":"edit","status":"READ","historical":true,"sync":{"window":2},"original":{}}`,
		map[string]any{"original_wamid": "w", "group_id": "g", "status": "READ", "historical": true, "sync_window": 2.0, "sent_at_ms": nil, "contact_id": nil, "replay": nil})
	add(schemas.TypeContact, "2/3", `{"waba_id":"1","phone_number_id":"2","id":"3","phone_number":"3","user_id":"DE.1","full_name":"Ada","timestamp_ms":1700000000001,"original":{}}`,
		map[string]any{"waba_id": "1", "contact_id": "3", "contact_user_id": "DE.1", "contact_name": "Ada", "sent_at_ms": 1700000000001.0, "kind": nil, "historical": nil},
		"coex-contact-action", "add")
	add(schemas.TypeContactRemoved, "2/3", "", map[string]any{"phone_number_id": "2", "contact_id": "3", "sent_at_ms": 7.0, "value_hex": nil},
		"coex-contact-action", "remove", "coex-contact-timestamp", "7", "coex-contact-phone", "3")
	add(schemas.TypeAccount, "1", `{"waba_id":"1","phone_number":"49","phone_number_id":"2","event":"PARTNER_ADDED","time":1700000000,"original":{}}`,
		map[string]any{"account_event": "PARTNER_ADDED", "display_phone_number": "49", "sent_at_ms": 1700000000000.0})
	add(schemas.TypeOther, "1", `{"waba_id":"1","field":"flows","original":{}}`, map[string]any{"field": "flows", "phone_number_id": nil})
	add(schemas.TypeMessage, "2/3", `{"waba_id":"1","timestamp":`, map[string]any{"ce_id": "id6", "ce_type": schemas.TypeMessage, "waba_id": nil, "kind": nil}) // no event
	return records, columns
}

// TestDuckDBAndClickHouseReadParquet compares each cell of a Parquet object, as both of them read it, with the record.
func TestDuckDBAndClickHouseReadParquet(t *testing.T) {
	if !azurite.Wanted() {
		t.Skip("SKIP: it needs DuckDB and ClickHouse from PyPI; run make test-archive")
	}
	requirements, err := os.ReadFile("testdata/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	python, env := packages.Python(t, requirements)
	records, columns := extracted()
	rng := rand.New(rand.NewPCG(1, 1))
	for len(records) < 400 { // several row groups
		records = append(records, randomRecord(rng, int64(len(records))))
	}
	b := builder(t)
	begin(t, b, header(0), archive.Parquet)
	for _, r := range records {
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	_, content, err := b.Finish(1000, false)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "object.parquet")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := packages.Output(t.Context(), "testdata", env, python, "read.py", file)
	if err != nil {
		t.Fatal(err)
	}
	readers := map[string]seen{}
	if err := json.Unmarshal([]byte(out), &readers); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range archive.Columns() {
		names = append(names, c.Name)
	}
	for _, name := range []string{"DuckDB", "ClickHouse"} {
		got := readers[name]
		if !slices.Equal(got.Columns, names) {
			t.Errorf("%s sees the columns %v, want %v", name, got.Columns, names)
		}
		if len(got.Rows) != len(records) {
			t.Fatalf("%s sees %d rows, want %d", name, len(got.Rows), len(records))
		}
		for i, r := range records {
			if got, want := rowText(got.Rows[i]), recordText(r); got != want {
				t.Fatalf("%s, row %d:\n%.1000s\nwant\n%.1000s", name, i, got, want)
			}
			if i < len(columns) {
				for column, want := range columns[i] {
					if value, ok := got.Rows[i][column]; !ok || value != want {
						t.Errorf("%s, row %d: %s is %v, want %v", name, i, column, value, want)
					}
				}
			}
		}
	}
}

// cells writes text and binary columns as both readers show them.
func cells(b []byte) (text, binary string) {
	switch digits := strings.ToUpper(hex.EncodeToString(b)); {
	case b == nil:
		return "null", "null"
	case strings.ToValidUTF8(string(b), "") == string(b):
		return digits, "null"
	default:
		return "null", digits
	}
}

func recordText(r *kgo.Record) string {
	key, keyBinary := cells(r.Key)
	value, valueBinary := cells(r.Value)
	text := fmt.Sprint(r.Offset, r.Timestamp.UnixMilli(), " ", key, " ", keyBinary, " ", value, " ", valueBinary)
	for _, h := range r.Headers {
		name, nameBinary := cells(append([]byte{}, h.Key...))
		content, contentBinary := cells(h.Value)
		text += fmt.Sprint(" [", name, " ", content, " ", nameBinary, " ", contentBinary, "]")
	}
	return text
}

func rowText(row map[string]any) string {
	show := func(v any) string {
		if v == nil {
			return "null"
		}
		return fmt.Sprint(v)
	}
	number := func(name string) int64 { n, _ := row[name].(float64); return int64(n) }
	text := fmt.Sprint(number("offset"), number("timestamp_ms"), " ", show(row["key_hex"]), " ", show(row["key_binary_hex"]), " ", show(row["value_hex"]), " ", show(row["value_binary_hex"]))
	headers, _ := row["headers_hex"].([]any)
	for _, h := range headers {
		parts, _ := h.([]any)
		var shown []string
		for _, p := range parts {
			shown = append(shown, show(p))
		}
		text += " [" + strings.Join(shown, " ") + "]"
	}
	return text
}
