package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
)

// Instances of the PostgreSQL sink come and go, are killed and suspended, and the database crashes, while events arrive. Afterwards the
// tables hold what the topics hold.
func TestPostgresSinkUnderFaults(t *testing.T) {
	c := cluster(t)
	db := postgresserver.Test(t, postgresserver.Config{Fsync: true})
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte(db.URL("postgres")), 0o600); err != nil {
		t.Fatal(err)
	}
	const sessionTimeout = 6 * time.Second
	s := newStage(t, c.Addrs(), 3, 2, fmt.Sprintf("sink.postgres: {url_file: %q, group_id: %s, session_timeout: %s, records_max: 200}", url, "sink-of-faults", sessionTimeout))
	s.up()
	s.must("sink", "postgres", "migrate")
	var sinks []*program
	join := func() *program {
		t.Helper()
		p := s.start(fmt.Sprintf("sink-%d", len(sinks)), "sink", "postgres")
		sinks = append(sinks, p)
		p.awaitReady()
		return p
	}
	first := join()
	l := s.load(steady)
	s.underLoad(l, 200)
	second, third := join(), join() // 1 to 3
	s.underLoad(l, 100)

	// A zombie: the others take its partitions over, and what it does afterwards is refused.
	if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waited := time.Now()
	until(t, "twice the session timeout is over, and the others write", func() bool {
		others := second.metric("coexstream_sink_records_total") + third.metric("coexstream_sink_records_total")
		return time.Since(waited) > 2*sessionTimeout && others > 0
	})
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.underLoad(l, 100)
	if err := second.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.underLoad(l, 100)
	if err := errors.Join(db.Kill(), db.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.underLoad(l, 100)
	third.stop() // 3 to 1

	for _, truth := range l.end() {
		s.check(truth)
	}
	until(t, "the sink is at the ends of the topics", func() bool {
		var status struct {
			Lag *int64 `json:"lag_records"`
		}
		out, _, code := s.run("sink", "postgres", "status", "--output", "json")
		return code == 0 && json.Unmarshal([]byte(out), &status) == nil && status.Lag != nil && *status.Lag == 0
	})
	out, errs, code := s.run("check", "--truth", l.truths[0], "--postgres", "--output", "json")
	var verdict struct {
		Sinks []struct {
			Behind int64 `json:"behind"`
			Faults int   `json:"faults"`
			Tables []struct {
				Table      string `json:"table"`
				Owed, Seen int
			} `json:"tables"`
		} `json:"sinks"`
	}
	if err := json.Unmarshal([]byte(out), &verdict); err != nil || len(verdict.Sinks) != 1 || verdict.Sinks[0].Behind != 0 || verdict.Sinks[0].Faults != 0 || len(verdict.Sinks[0].Tables) == 0 || verdict.Sinks[0].Tables[0].Seen < 1000 {
		t.Errorf("check: %d, err %v\n%s%s", code, err, out, errs)
	}
	first.stop()
	s.down()
}
