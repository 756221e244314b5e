package app

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// up removes old messages from its tables, and writes none while its disk is nearly full.
func TestTheSizeOfTheTablesIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startUp(t, dir, "--set", "sink.sqlite.free_bytes_min=1048576GiB")
	if out, code := p.run("simulate", "--businesses", "2", "--messages", "3000"); code != 0 {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	p.until("the read model says that it has no room", func() bool {
		code, body := get(t, p.running().Admin+"/readyz")
		return code == 200 && strings.Contains(body, "sink.sqlite.free_bytes_min")
	})
	var n int
	if err := p.readModel().QueryRow("SELECT count(*) FROM messages").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d messages, err %v", n, err)
	}
	if out, code := p.run("doctor", "--only", "sinks"); code == 0 || !strings.Contains(out, "fewer free bytes than sink.sqlite.free_bytes_min") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
	p.signal(syscall.SIGTERM)

	p = startUp(t, dir)
	if out, code := p.run("check"); code != 0 {
		t.Fatalf("check: %d\n%s", code, out)
	}
	p.inTables()
	const retention = 30 * 24 * time.Hour
	old := func() (old, young, chats int) {
		if err := p.readModel().QueryRow("SELECT count(*) FILTER (WHERE sort_at < ?1), count(*) FILTER (WHERE sort_at >= ?1), (SELECT sum(messages) FROM threads) FROM messages",
			time.Now().Add(-retention).Unix()).Scan(&old, &young, &chats); err != nil {
			t.Fatal(err)
		}
		return old, young, chats
	}
	if older, younger, _ := old(); older == 0 || younger == 0 {
		t.Fatalf("%d old messages, %d others: nothing to remove", older, younger)
	}
	p.signal(syscall.SIGTERM)

	p = startUp(t, dir, "--set", "sink.sqlite.retention="+retention.String())
	p.until("the old messages are removed", func() bool { older, _, _ := old(); return older == 0 })
	if _, younger, chats := old(); younger == 0 || chats != younger {
		t.Errorf("%d messages are left, and the chats have %d", younger, chats)
	}
	p.until("the metric counts them", func() bool {
		_, body := get(t, p.running().Admin+"/metrics")
		return strings.Contains(body, `coexstream_sink_pruned_messages_total{sink="sqlite"} `) && !strings.Contains(body, `coexstream_sink_pruned_messages_total{sink="sqlite"} 0`)
	})
	p.signal(syscall.SIGTERM)
}
