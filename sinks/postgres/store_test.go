package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

func batchOf(t testing.TB, from, to int64, values ...string) *sinks.Batch {
	t.Helper()
	return sinktest.Batch(t, from, to, values...)
}

var oneMessage = sinktest.Message("w")

// One message in a hundred versions is one row, in one batch as in several, and by COPY as in arrays.
func TestManyVersionsOfAMessageAreOneRow(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{1, 200} { // other messages, so that both ways are taken
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			url := migrated(t)
			st := opened(t, url)
			var values []string
			for i := range 100 {
				values = append(values, strings.Replace(oneMessage, `"timestamp":5`, fmt.Sprintf(`"timestamp":%d`, 5+i*7%100), 1))
				for j := range rows / 100 {
					values = append(values, strings.Replace(oneMessage, `"w"`, fmt.Sprintf(`"w%d-%d"`, i, j), 1))
				}
			}
			if err := st.Apply(t.Context(), batchOf(t, -1, 300, values...)); err != nil {
				t.Fatal(err)
			}
			if err := st.Apply(t.Context(), batchOf(t, 300, 600, values...)); err != nil {
				t.Fatal(err)
			}
			var at int64
			if err := connected(t, url).QueryRow(t.Context(), "SELECT "+unix("at")+" FROM messages WHERE wamid = 'w'").Scan(&at); err != nil || at != 104 {
				t.Errorf("at %d, err %v, want the newest of them", at, err)
			}
			chat := contentOf(t, url).Threads[sinktest.Chat{Number: "2", Chat: "3"}]
			if want := int64(1 + rows/100*100); chat.Messages != want || chat.Unread != int(want) || chat.LastWAMID != "w" {
				t.Errorf("chat %+v, want %d messages", chat, want)
			}
		})
	}
}

// What PostgreSQL cannot take is found, set aside with its reason, and stops nothing.
func TestContentThatIsRefusedIsSetAside(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	key := incompressible(5000) // what an index compresses would fit
	b := batchOf(t, -1, 1, strings.Replace(oneMessage, `"w"`, `"`+key+`"`, 1))
	err := st.Apply(t.Context(), b)
	if !errors.Is(err, sinks.ErrRefused) || !strings.Contains(err.Error(), "54000") || strings.Contains(err.Error(), key[:20]) {
		t.Errorf("a key that no index takes: %v", err)
	}
	b = batchOf(t, -1, 1, oneMessage)
	for _, m := range b.Rows.Messages {
		m.Content.Direction = "in\x00bound"
	}
	if err := st.Apply(t.Context(), b); !errors.Is(err, sinks.ErrRefused) || !strings.Contains(err.Error(), "22021") {
		t.Errorf("a text with U+0000: %v", err)
	}
	// The connections live on.
	if err := st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage)); err != nil {
		t.Error(err)
	}
}

func TestOriginalsAreKeptByteForByte(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
	originals := []string{
		`{"b":1,"a":2,  "a":3.0,"text":{"body":"\u0000 \ud800 \ud83d\ude00 é \n"}}`,
		`{"text":{"body":"` + strings.Repeat(`x\u0000`, 1<<18) + `"}}`,
	}
	var values []string
	for i, o := range originals {
		values = append(values, strings.Replace(strings.Replace(oneMessage, `{"text":{"body":"x"}}`, o, 1), `"w"`, fmt.Sprintf(`"w%d"`, i), 1))
	}
	for i := range 100 { // and by COPY
		values = append(values, strings.Replace(strings.Replace(oneMessage, `{"text":{"body":"x"}}`, originals[0], 1), `"w"`, fmt.Sprintf(`"c%d"`, i), 1))
	}
	if err := errors.Join(st.Apply(t.Context(), batchOf(t, -1, 2, values[:2]...)), st.Apply(t.Context(), batchOf(t, 2, 102, values[2:]...))); err != nil {
		t.Fatal(err)
	}
	conn := connected(t, url)
	for wamid, want := range map[string]string{"w0": originals[0], "w1": originals[1], "c99": originals[0]} {
		var original, text string
		if err := conn.QueryRow(t.Context(), "SELECT original, text FROM messages WHERE wamid = $1", wamid).Scan(&original, &text); err != nil || original != want {
			t.Errorf("%s: original of %d bytes, want %d, err %v", wamid, len(original), len(want), err)
		}
		if strings.ContainsRune(text, 0) || text == "" {
			t.Errorf("%s: text %.40q", wamid, text)
		}
	}
}

func TestViewsShowWhatPeopleRead(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	st := opened(t, url)
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
	if err := st.Apply(t.Context(), batchOf(t, -1, 8, values...)); err != nil {
		t.Fatal(err)
	}
	conn := connected(t, url)
	for query, want := range map[string]string{
		"SELECT wamid || ' ' || type || ' ' || text || ' ' || edited || revoked || ' ' || status || ' ' || reactions AS line FROM conversation WHERE chat = '491701' ORDER BY at": "p unsupported  falsefalse  {}\nm text Hello! truefalse read {\"491701\": \"+\"}\nd text  falsetrue  {}",
		"SELECT chat || ' ' || name || ' ' || messages || ' ' || unread || ' ' || unread_since || ' ' || last_at AS line FROM inbox":                                              "491701 Ada 3 3 1970-01-01 00:00:10+00 1970-01-01 00:00:23+00",
		"SELECT id || ' ' || name || ' ' || linked_id AS line FROM contact_card ORDER BY id":                                                                                      "491701 Ada DE.1\nDE.1 Ada 491701",
		"SELECT count(*)::text AS line FROM sync_status": "0",
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SET timezone = 'UTC'").Scan(); err != nil && !strings.Contains(err.Error(), "no rows") {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT string_agg(line, E'\\n') FROM ("+query+") x").Scan(&got); err != nil || got != want {
			t.Errorf("%s:\n got %q\nwant %q, err %v", query, got, want, err)
		}
	}
}

// A page of an inbox or a chat costs what the page has, not what the table has.
func TestPagesAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	conn := connected(t, migrated(t))
	if _, err := conn.Exec(t.Context(), "SET enable_seqscan = off; SET enable_sort = off"); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"SELECT * FROM inbox WHERE phone_number_id = 'x' ORDER BY last_at DESC LIMIT 50",
		"SELECT * FROM conversation WHERE phone_number_id = 'x' AND chat = 'y' ORDER BY at DESC LIMIT 50",
		"SELECT * FROM contact_card WHERE phone_number_id = 'x' AND id = 'y'",
	} {
		rows, err := conn.Query(t.Context(), "EXPLAIN "+query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, "Seq Scan") || strings.Contains(query, "DESC") && strings.Contains(line, "Sort  (") && !strings.Contains(line, "->  Sort  (") {
				t.Errorf("%s: %s", query, line)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTablesThatAreNotThereNameTheCommand(t *testing.T) {
	t.Parallel()
	st := opened(t, shared.URL(t))
	if _, err := st.Positions(t.Context(), 0); !errors.Is(err, postgres.ErrNotMigrated) || !strings.Contains(err.Error(), "coexstream sink postgres migrate") {
		t.Errorf("positions: %v", err)
	}
	if err := st.Apply(t.Context(), batchOf(t, -1, 1, oneMessage)); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("apply: %v", err)
	}
}

func TestAnErrorNeverHasThePassword(t *testing.T) {
	for _, url := range []string{"postgres://me:s3cret@host:bad/db", "host=h password=s3cret port=x", "postgres://me:s3cret@127.0.0.1:1/db?sslmode=nonsense"} {
		if _, err := postgres.Open(t.Context(), configOf(url)); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := postgres.Migrate(t.Context(), url, schema); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	st := opened(t, "postgres://me:s3cret@127.0.0.1:1/db")
	if _, err := st.Positions(t.Context(), 0); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// Transactions of backlog leave a connection to live events, also while each of them waits.
func TestLiveEventsNeverWaitForAConnectionOfTheBacklog(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	cfg := configOf(url)
	cfg.ConnectionsMax, cfg.Timeout = 2, 10*time.Second
	st, err := postgres.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	batch := func(partition int32, live bool) *sinks.Batch {
		b := batchOf(t, -1, 1, strings.Replace(oneMessage, `"w"`, fmt.Sprintf(`"w%d"`, partition), 1))
		b.Partition, b.Live = partition, live
		return b
	}
	other := connected(t, url) // holds the partitions of the backlog
	for _, partition := range []int32{5, 6} {
		if _, err := other.Exec(t.Context(), "SELECT pg_advisory_lock($1, $2)", int32(postgres.LockOf(schema)), partition); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error, 2)
	for _, partition := range []int32{5, 6} {
		go func() { waiting <- st.Apply(t.Context(), batch(partition, false)) }()
	}
	for waits := 0; waits == 0; {
		if err := other.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Apply(t.Context(), batch(7, true)); err != nil {
		t.Errorf("a live batch: %v", err)
	}
	select {
	case err := <-waiting:
		t.Errorf("a batch of the backlog ended while its partition was held: %v", err)
		waiting <- err
	default:
	}
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-waiting, <-waiting); err != nil {
		t.Error(err)
	}
}
