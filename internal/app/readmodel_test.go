package app

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	_ "modernc.org/sqlite"

	"github.com/coexstream/coexstream/schemas"
)

func (p *process) readModel() *sql.DB {
	p.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.dir, "data", readModelName)+"?_pragma=query_only(1)&_pragma=busy_timeout(10000)")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { db.Close() })
	return db
}

// inTables waits until the tables hold all events.
func (p *process) inTables() {
	p.t.Helper()
	p.until("the tables hold all events", func() bool {
		out, code := p.run("sink", "status", "--output", "json")
		var s sinkStatus
		return code == 0 && json.Unmarshal([]byte(out), &s) == nil && s.Lag != nil && *s.Lag == 0 && s.Letters == 0
	})
}

// TestTablesHoldWhatTheTopicsHold compares each message's original with the events of the topics, after a kill and a rebuild, too.
func TestTablesHoldWhatTheTopicsHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startUp(t, dir)
	if out, code := p.run("simulate", "--businesses", "2", "--messages", "3000"); code != 0 {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	p.signal(syscall.SIGKILL)
	p = startUp(t, dir)
	if out, code := p.run("check"); code != 0 {
		t.Fatalf("check: %d\n%s", code, out)
	}
	p.inTables()
	p.holdsTheTopics(p.readModel())
	p.tablesAreJudged("--sqlite", filepath.Join("data", readModelName))
	p.damagesReadModel()
	if out, code := p.run("sink", "rebuild", "--dry-run"); code != 0 || !strings.Contains(out, "nothing was changed") {
		t.Errorf("rebuild --dry-run beside a running up: %d\n%s", code, out)
	}
	sent := make(chan string, 1)
	go func() {
		out, code := p.run("simulate", "--businesses", "1", "--messages", "500", "--seed", "7", "--truth", "other.jsonl")
		if code == 0 {
			out = ""
		}
		sent <- out
	}()
	if out, code := p.run("sink", "rebuild"); code != 0 || !strings.Contains(out, "messages") {
		t.Errorf("rebuild beside a running up: %d\n%s", code, out)
	}
	if out := <-sent; out != "" {
		t.Errorf("simulate: %s", out)
	}
	p.inTables()
	p.holdsTheTopics(p.readModel())
	p.signal(syscall.SIGTERM)

	if out, code := p.run("sink", "rebuild"); code != 0 || !strings.Contains(out, "removed") {
		t.Errorf("rebuild: %d\n%s", code, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", readModelName)); !os.IsNotExist(err) {
		t.Errorf("the file after a rebuild: %v", err)
	}
	p = startUp(t, dir)
	p.inTables()
	p.holdsTheTopics(p.readModel())
}

// damagesReadModel changes the tables as nobody should.
func (p *process) damagesReadModel() {
	p.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.dir, "data", readModelName)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("DELETE FROM messages WHERE rowid % 3 = 0"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) holdsTheTopics(db *sql.DB) {
	p.t.Helper()
	type key struct{ number, wamid string }
	type message struct {
		order    [4]int64
		original string
	}
	want := map[key][]message{} // the best ones
	out, code := p.run("tail", "history", "echoes", "messages", "--from-beginning", "--no-follow", "--output", "json")
	if code != 0 {
		p.t.Fatalf("tail: %d", code)
	}
	contacts := 0
	for line := range strings.Lines(out) {
		var r struct{ Value json.RawMessage }
		var m schemas.Message
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatal(err)
		}
		if err := json.Unmarshal(r.Value, &m); err != nil {
			p.t.Fatal(err)
		}
		if m.Contact != nil && (m.Contact.WaID != "" || m.Contact.UserID != "") {
			contacts++
		}
		switch m.Kind {
		case schemas.KindMessage, schemas.KindPlaceholder, schemas.KindSystem:
		default:
			continue
		}
		var order [4]int64
		if *m.Rank > 0 {
			order[0] = 1
		}
		if !m.Historical {
			order[1] = 1
		}
		if m.Sync != nil {
			order[2] = int64(m.Sync.Window)
		}
		order[3] = m.Timestamp
		k, one := key{m.PhoneNumberID, m.WAMID}, message{order, string(m.Original)}
		switch have := want[k]; {
		case len(have) == 0 || ranked(order, have[0].order) > 0:
			want[k] = []message{one}
		case ranked(order, have[0].order) == 0:
			want[k] = append(have, one)
		}
	}
	rows, err := db.Query("SELECT phone_number_id, wamid, original FROM messages")
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var k key
		var original string
		if err := rows.Scan(&k.number, &k.wamid, &original); err != nil {
			p.t.Fatal(err)
		}
		n++
		found := false
		for _, m := range want[k] {
			found = found || m.original == original
		}
		if !found {
			p.t.Fatalf("message %v has the original\n%s\nwant one of\n%v", k, original, want[k])
		}
	}
	if n != len(want) || n < 2000 {
		p.t.Errorf("%d messages in the tables, %d in the topics", n, len(want))
	}
	var counted, people int
	if err := db.QueryRow("SELECT (SELECT sum(messages) FROM threads), (SELECT count(*) FROM contacts)").Scan(&counted, &people); err != nil {
		p.t.Fatal(err)
	}
	if counted == 0 || counted > n || people == 0 || contacts == 0 {
		p.t.Errorf("%d messages in chats, %d contacts", counted, people)
	}
}

// A foreign record in an event topic is kept with its reason, and later records are in the tables.
func TestARecordThatIsNoEventIsSetAside(t *testing.T) {
	t.Parallel()
	p := startUp(t, t.TempDir())
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.running().Defaults["kafka.brokers"]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	const bad = `{"note":"something of somebody else"}`
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "coex.messages", Partition: 2, Key: []byte("k"), Value: []byte(bad)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if out, code := p.run("simulate", "--businesses", "1", "--messages", "200"); code != 0 {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	var s sinkStatus
	p.until("the tables hold the other events", func() bool {
		out, code := p.run("sink", "status", "--output", "json")
		return code == 0 && json.Unmarshal([]byte(out), &s) == nil && s.Letters == 1 && s.Lag != nil && *s.Lag == 0 && len(s.Positions) > 2
	})
	if l := s.Newest[0]; l.Topic != "messages" || l.Partition != 2 || l.Offset != 0 || !strings.Contains(l.Reason, "ce_specversion") {
		t.Errorf("letter %+v", l)
	}
	var value []byte
	if err := p.readModel().QueryRow("SELECT value FROM letters").Scan(&value); err != nil || string(value) != bad {
		t.Errorf("value %s, err %v", value, err)
	}
	if out, code := p.run("doctor", "--only", "sinks"); code != 0 || !strings.Contains(out, "1 records were set aside") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
}

func ranked(a, b [4]int64) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]), cmp.Compare(a[2], b[2]), cmp.Compare(a[3], b[3]))
}

func TestUpWorksWithoutTables(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(dir string)
		args []string
		want string
	}{
		{"switched off", func(string) {}, []string{"--set", "sink.sqlite.enabled=false"}, ""},
		{"a file of something else", func(dir string) {
			if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "data", readModelName), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "read model"},
		{"a link", func(dir string) {
			if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "data", readModelName)); err != nil {
				t.Fatal(err)
			}
		}, nil, "read model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tt.make(dir)
			p := startUp(t, dir, tt.args...)
			code, body := get(t, p.running().Admin+"/readyz")
			if code != 200 || strings.Contains(body, "read model") != (tt.want != "") {
				t.Errorf("readyz %d: %s", code, body)
			}
			if out, code := p.run("sink", "status"); code == 0 {
				t.Errorf("status: %s", out)
			}
			if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
				t.Error("a file was made through a link")
			}
		})
	}
}
