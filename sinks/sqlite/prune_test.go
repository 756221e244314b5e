package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

// oldAndNew fills a file with one message for each second from 1 to n, in twelve chats. Some have an edit, a status and a reaction a second later.
// Statuses of other messages, and notes, have the same times.
func oldAndNew(t *testing.T, st *sqlite.Store, file string, n int) {
	t.Helper()
	const head = `{"waba_id":"1","phone_number_id":"2","direction":"inbound","historical":false,"original":{"n":1},`
	var values []string
	add := func(format string, args ...any) {
		value := head + fmt.Sprintf(format, args...)
		if strings.Contains(value, `"kind":"status"`) {
			value = strings.Replace(value, "inbound", "outbound", 1)
		}
		values = append(values, value)
	}
	for i := 1; i <= n; i++ {
		add(`"kind":"message","rank":1,"wamid":"w%d","thread":"49170%d","timestamp":%d,"type":"text"}`, i, i%12, i)
		if i%10 == 0 {
			add(`"kind":"edit","rank":2,"wamid":"e%d","original_wamid":"w%[1]d","timestamp":%d,"type":"edit"}`, i, i+1)
			add(`"kind":"status","wamid":"w%d","timestamp":%d,"status":"read"}`, i, i+1)
			values = append(values, strings.Replace(head, `{"n":1}`, fmt.Sprintf(`{"reaction":{"message_id":"w%d","emoji":"+"}}`, i), 1)+
				fmt.Sprintf(`"kind":"reaction","rank":1,"wamid":"r%d","timestamp":%d,"type":"reaction"}`, i, i+1))
			add(`"kind":"status","wamid":"api%d","timestamp":%d,"status":"sent"}`, i, i)
			add(`"kind":"edit","rank":2,"wamid":"x%d","original_wamid":"lost%[1]d","timestamp":%d,"type":"edit"}`, i, i)
		}
	}
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, int64(len(values)), values...)); err != nil {
		t.Fatal(err)
	}
	db := writable(t, file)
	for i := 10; i <= n; i += 10 {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO notes VALUES (?, 'other', 'flows', '1', '2', '', '', ?, '', '{}', x'', '')", fmt.Sprint("note", i), i); err != nil {
			t.Fatal(err)
		}
	}
}

func writable(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func counted(t *testing.T, file, query string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Older messages are removed with their rows, and the chats are those of the remaining messages.
func TestMessagesThatAreOlderAreRemoved(t *testing.T) {
	st, file := opened(t)
	const n, cut = 1300, 801 // several steps
	oldAndNew(t, st, file, n)
	before := contentOf(t, file).Lines()
	p, err := st.Prune(t.Context(), time.Unix(cut, 0))
	if err != nil || p.Messages != cut-1 || p.Others != 3*80+3*80 {
		t.Errorf("removed %+v, err %v", p, err)
	}
	left := contentOf(t, file).Lines()
	for query, want := range map[string]int{
		"SELECT count(*) FROM messages":                                     n - cut + 1,
		"SELECT min(sort_at) FROM messages":                                 cut,
		"SELECT count(*) FROM versions":                                     2 * 50,
		"SELECT count(*) FROM receipts":                                     2 * 50,
		"SELECT count(*) FROM reactions":                                    50,
		"SELECT count(*) FROM notes":                                        50,
		"SELECT sum(messages) FROM threads":                                 n - cut + 1,
		"SELECT sum(unread) FROM threads":                                   n - cut + 1,
		"SELECT min(unread_since) FROM threads":                             cut,
		"SELECT count(*) FROM threads WHERE last_at <= " + fmt.Sprint(n-12): 0,
		"SELECT count(*) FROM numbers":                                      1,
	} {
		if got := counted(t, file, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	for _, line := range left { // nothing else changed
		if !strings.HasPrefix(line, "thread ") && !slices.Contains(before, line) {
			t.Fatalf("changed: %s", line)
		}
	}
	if p, err := st.Prune(t.Context(), time.Unix(cut, 0)); err != nil || p != (sqlite.Pruned{}) {
		t.Errorf("again: removed %+v, err %v", p, err)
	}
	// A chat without messages is gone, and comes again with the next one.
	if p, err := st.Prune(t.Context(), time.Unix(n+2, 0)); err != nil || p.Messages != n-cut+1 {
		t.Errorf("all: removed %+v, err %v", p, err)
	}
	if got := counted(t, file, "SELECT (SELECT count(*) FROM threads) + (SELECT count(*) FROM messages)"); got != 0 {
		t.Errorf("%d chats and messages are left", got)
	}
	late := `{"waba_id":"1","phone_number_id":"2","direction":"inbound","historical":false,"original":{},"kind":"message","rank":1,"wamid":"w7","thread":"491705","timestamp":7,"type":"text"}`
	next, err := st.Positions(t.Context(), 0)
	if err != nil || len(next) != 1 {
		t.Fatalf("positions %v, err %v", next, err)
	}
	for _, at := range next {
		if err := st.Apply(t.Context(), sinktest.Batch(t, at.Next, at.Next+1, late)); err != nil {
			t.Fatal(err)
		}
	}
	if got := counted(t, file, "SELECT messages FROM threads"); got != 1 {
		t.Errorf("the chat has %d messages", got)
	}
}

// Account events, and rows whose time is not known, stay.
func TestWhatHasNoTimeIsNotRemoved(t *testing.T) {
	st, file := opened(t)
	oldAndNew(t, st, file, 10)
	if _, err := writable(t, file).ExecContext(t.Context(), "UPDATE receipts SET sent_at = 0 WHERE wamid = 'api10'; UPDATE versions SET at = 0 WHERE wamid = 'lost10'; UPDATE notes SET topic = 'account'"); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Prune(t.Context(), time.Unix(1000, 0)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"receipts", "versions", "notes"} {
		if got := counted(t, file, "SELECT count(*) FROM "+table); got != 1 {
			t.Errorf("%s: %d rows, want 1", table, got)
		}
	}
}

func TestASweepEndsWithItsContext(t *testing.T) {
	st, file := opened(t)
	oldAndNew(t, st, file, 1300)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := st.Prune(ctx, time.Unix(2000, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
	if got := counted(t, file, "SELECT count(*) FROM messages"); got == 0 {
		t.Error("everything is gone")
	}
}

// With too few free bytes nothing is written, and with more the same batch is.
func TestADiskThatIsNearlyFullIsNotWrittenTo(t *testing.T) {
	st, file := opened(t)
	free, err := uint64(99<<20), error(nil)
	st.Guard(sqlite.Room{Min: 100 << 20, Free: func() (uint64, error) { return free, err }})
	const message = `{"waba_id":"1","phone_number_id":"2","direction":"inbound","historical":false,"original":{},"kind":"message","rank":1,"wamid":"w","thread":"3","timestamp":7,"type":"text"}`
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 1, message)); err == nil || !strings.Contains(err.Error(), "99 MiB left") || !strings.Contains(err.Error(), "sink.sqlite.free_bytes_min") {
		t.Errorf("err %v", err)
	}
	if got := counted(t, file, "SELECT count(*) FROM messages"); got != 0 || st.HasRoom() == nil {
		t.Errorf("%d messages, room: %v", got, st.HasRoom())
	}
	free = 100 << 20
	if err := st.Apply(t.Context(), sinktest.Batch(t, -1, 1, message)); err != nil || st.HasRoom() != nil {
		t.Errorf("err %v, room: %v", err, st.HasRoom())
	}
	free, err = 0, errors.New("it does not tell")
	if err := st.Apply(t.Context(), sinktest.Batch(t, 1, 2, message)); err != nil {
		t.Errorf("a disk that does not tell: %v", err)
	}
}
