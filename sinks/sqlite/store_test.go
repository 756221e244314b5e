package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func opened(t testing.TB) (*sqlite.Store, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "read.db")
	st, err := sqlite.Open(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, file
}

func TestViewsShowWhatPeopleRead(t *testing.T) {
	st, file := opened(t)
	const head = `{"waba_id":"1","phone_number_id":"2","display_phone_number":"15550001","direction":"inbound","historical":false,"thread":"491701","contact":{"wa_id":"491701","user_id":"DE.1","profile_name":"Ada"},`
	values := []string{
		head + `"kind":"placeholder","rank":0,"wamid":"p","timestamp":10,"type":"unsupported","original":{}}`,
		head + `"kind":"message","rank":1,"wamid":"m","timestamp":20,"type":"text","original":{"text":{"body":"Hello"}}}`,
		head + `"kind":"edit","rank":2,"wamid":"e","original_wamid":"m","timestamp":21,"type":"edit","original":{"edit":{"message":{"type":"text","text":{"body":"Hello!"}}}}}`,
		head + `"kind":"reaction","rank":1,"wamid":"r","timestamp":22,"type":"reaction","original":{"reaction":{"message_id":"m","emoji":"+"}}}`,
		head + `"kind":"message","rank":1,"wamid":"d","timestamp":23,"type":"text","original":{"text":{"body":"secret"}}}`,
		head + `"kind":"revoke","rank":3,"wamid":"x","original_wamid":"d","timestamp":24,"type":"revoke","original":{}}`,
		strings.Replace(head, "inbound", "outbound", 1) + `"kind":"status","wamid":"m","timestamp":25,"status":"read","original":{}}`,
		head + `"kind":"edit","rank":2,"wamid":"e2","original_wamid":"unknown","timestamp":21,"type":"edit","original":{}}`,
	}
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 8, values...)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lines := func(query string) string {
		rows, err := db.Query(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		var b strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			b.WriteString(line + "\n")
		}
		return b.String()
	}
	for query, want := range map[string]string{
		"SELECT wamid || ' ' || type || ' ' || text || ' ' || edited || revoked || ' ' || status || ' ' || reactions FROM conversation WHERE chat = '491701' ORDER BY at": "p unsupported  00  {}\nm text Hello! 10 read {\"491701\":\"+\"}\nd text  01  {}\n",
		"SELECT chat || ' ' || name || ' ' || messages || ' ' || unread || ' ' || unread_since || ' ' || last_at FROM inbox":                                              "491701 Ada 3 3 10 23\n",
		"SELECT id || ' ' || name || ' ' || linked_id FROM contact_card ORDER BY id":                                                                                      "491701 Ada DE.1\nDE.1 Ada 491701\n",
		"SELECT count(*) FROM sync_status": "0\n",
	} {
		if got := lines(query); got != want {
			t.Errorf("%s:\n got %q\nwant %q", query, got, want)
		}
	}
}

// A page of an inbox or a chat costs what the page has, not what the table has.
func TestPagesAreFoundByIndexes(t *testing.T) {
	_, file := opened(t)
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{
		"SELECT * FROM inbox WHERE phone_number_id = 'x' ORDER BY last_at DESC LIMIT 50",
		"SELECT * FROM conversation WHERE phone_number_id = 'x' AND chat = 'y' ORDER BY at DESC LIMIT 50",
		"SELECT * FROM contact_card WHERE phone_number_id = 'x' AND id = 'y'",
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN " + query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(detail, "SCAN") || strings.HasPrefix(detail, "MATERIALIZE") || strings.Contains(detail, "AUTOMATIC") {
				t.Errorf("%s: %s", query, detail)
			}
		}
		rows.Close()
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "read.db")
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE mine (x)"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), file); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("err %v", err)
	}
	if _, err := db.Exec("DROP TABLE mine"); err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := sqlite.Open(t.Context(), file); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("err %v", err)
	}
}

// BenchmarkApply fills a file with the history of many chats, 2,000 messages a step.
func BenchmarkApply(b *testing.B) {
	st, _ := opened(b)
	next, n := int64(-1), 0
	b.ReportAllocs()
	for b.Loop() {
		batch := &sinks.Batch{Rows: merge.NewRows(), Advances: []sinks.Advance{{Topic: schemas.TopicHistory, From: next, To: sinks.Position{Next: max(next, 0) + 2000, At: time.Now()}}}}
		for range 2000 {
			n++
			value := fmt.Appendf(nil, `{"waba_id":"102290129340398","phone_number_id":"106540352242922","display_phone_number":"15550783881","kind":"message","rank":1,"wamid":"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBQzRUIwN0VDOUFGRjAwQTRFQjdEMgA%d","thread":"1650%07d","contact":{"wa_id":"16505551234"},"direction":"outbound","from":"15550783881","timestamp":%d,"type":"text","status":"READ","historical":true,"sync":{"window":1,"phase":0,"chunk_order":3,"progress":62},"original":{"from":"15550783881","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBQzRUIwN0VDOUFGRjAwQTRFQjdEMgA=","timestamp":"1739200200","type":"text","text":{"body":"Mine, and as long as what people write to each other on a normal day"},"history_context":{"status":"READ","from_me":true}}}`, n, n/50, 1739200200-n)
			e, err := event.Value(schemas.TypeHistory, value)
			if err != nil {
				b.Fatal(err)
			}
			e.ID, e.Topic = fmt.Sprint(n), schemas.TopicHistory
			batch.Rows.Add(&e, merge.Place{Offset: int64(n)})
		}
		if err := st.Apply(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		next = max(next, 0) + 2000
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}
