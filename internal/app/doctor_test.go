package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// patient is a cluster and the flags with which commands find it.
type patient struct {
	t     *testing.T
	kfake *kfake.Cluster
	flags []string
	addrs []string
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"offsets.retention.minutes": "40000"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := &patient{t: t, kfake: c, addrs: c.ListenAddrs()}
	p.flags = []string{"--brokers", strings.Join(p.addrs, ","), "--log-level", "error", "--data-dir", filepath.Join(t.TempDir(), "data"),
		"--set", "kafka.partitions=2", "--set", "kafka.replication_factor=1", "--set", "kafka.min_insync_replicas=1", "--set", "admin.listen=",
		"--set", "processor.session_timeout=6s"}
	if _, stderr, code := invoke(t, nil, append([]string{"topics", "create"}, p.flags...)...); code != ExitOK {
		t.Fatal(stderr)
	}
	return p
}

// findings are those of one doctor, as "status check on: found".
func (p *patient) findings(args ...string) (string, int) {
	p.t.Helper()
	out, stderr, code := invoke(p.t, nil, append(append([]string{"doctor", "--output", "json"}, p.flags...), args...)...)
	var r struct {
		Findings []struct{ Check, Status, Tried, On, Found, Do string }
		Counts   map[string]int
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		p.t.Fatalf("%v\n%s\n%s", err, out, stderr)
	}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s: %s\n", f.Status, f.Check, f.On, f.Found)
		r.Counts[f.Status]--
	}
	for status, n := range r.Counts {
		if n != 0 {
			p.t.Errorf("%s is miscounted by %d", status, n)
		}
	}
	return b.String(), code
}

// expect fails unless each line is among the findings, up to its end or a comma.
func (p *patient) expect(got string, lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		if !strings.Contains(got, line) {
			p.t.Errorf("%q is not among\n%s", line, got)
		}
	}
}

func (p *patient) until(what string, ok func() (string, bool)) {
	p.t.Helper()
	var last string
	for limit := time.Now().Add(4 * time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		var done bool
		if last, done = ok(); done {
			return
		}
	}
	p.t.Fatalf("never %s:\n%s", what, last)
}

func (p *patient) client(opts ...kgo.Opt) *kgo.Client {
	p.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(p.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(cl.Close)
	return cl
}

func TestDoctorFindsInjectedFaults(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	ctx := t.Context()

	got, code := p.findings()
	p.expect(got, "ok topics prefix coex.: 14 topics", "ok brokers ", "ok replicas ", "fail group group coexstream: no processor", "ok lag coex.raw.live: 2 partitions, nothing waits")
	if code != ExitFaults {
		t.Errorf("exit code %d without a processor", code)
	}

	// A processor that runs: nothing is wrong.
	running, stop := context.WithCancel(ctx)
	ended := make(chan int, 1)
	go func() {
		ended <- Main(running, append([]string{"process", "--instance-id", "p0"}, p.flags...), IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	}()
	p.until("well with a processor", func() (string, bool) {
		got, code := p.findings()
		return got, code == ExitOK && strings.Contains(got, "1 processor serves 2 partitions")
	})
	stop()
	if code := <-ended; code != ExitOK {
		t.Errorf("process ended with %d", code)
	}

	// It is stopped, and webhooks come.
	cl := p.client()
	for range 3 {
		r := &kgo.Record{Topic: "coex.raw.live", Partition: 1, Key: []byte("1"), Value: []byte("{}"), Timestamp: time.Now().Add(-10 * time.Minute)}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ahead := &kgo.Record{Topic: "coex.raw.bulk", Partition: 0, Key: []byte("1"), Value: []byte("{}"), Timestamp: time.Now().Add(time.Hour)}
	if err := cl.ProduceSync(ctx, ahead).FirstErr(); err != nil {
		t.Fatal(err)
	}
	dead := &kgo.Record{Topic: "coex.dlq", Value: []byte("{"), Headers: []kgo.RecordHeader{{Key: "__dlq.errors.reason", Value: []byte("json_invalid")}}}
	if err := cl.ProduceSync(ctx, dead).FirstErr(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	over := schemas.Sync{PhoneNumberID: "1001", Window: 1, State: schemas.SyncDone, EndReason: schemas.SyncEndCeiling, Progress: 60, OpenedAt: now, LastAt: now, EndedAt: &now}
	sync := &kgo.Record{Topic: "coex.syncs", Key: []byte("1001"), Value: over.AppendJSON(nil)}
	if err := cl.ProduceSync(ctx, sync).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p.until("told that the processor is gone", func() (string, bool) { // the group waits for one with an instance id
		got, _ := p.findings("--only", "group")
		return got, strings.Contains(got, "fail group group coexstream: no processor is in the group (Empty)")
	})
	got, code = p.findings()
	p.expect(got,
		"fail lag coex.raw.live: coex.raw.live/1: about 3 records wait in 1 partition, the oldest for 10m",
		"fail clock coex.raw.bulk/0: the newest record is ",
		"warn dlq coex.dlq: 1 open dead letter in the last 1d: json_invalid 1",
		"warn syncs 1001 (60 %, ceiling): 1 sync ended without being complete",
		"ok lag coex.raw.bulk")
	if code != ExitFaults {
		t.Errorf("exit code %d", code)
	}

	// Topics that are not as they should be.
	adm := kadm.NewClient(cl)
	day := "86400000"
	if _, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &day}}, "coex.history"); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"coex.dlq", "coex.rerouted"} {
		if _, err := adm.DeleteTopic(ctx, topic); err != nil {
			t.Fatal(err)
		}
	}
	got, _ = p.findings("--only", "topics,dlq,lag")
	p.expect(got, "warn topics coex.history: retention.ms is 86400000, want 1209600000", "fail topics coex.rerouted, coex.dlq: 2 of 14 topics are missing",
		"skip dlq coex.dlq", "skip lag coex.rerouted")
	if strings.Contains(got, " group ") {
		t.Errorf("a check that was not asked for:\n%s", got)
	}
	// Nothing was made by looking.
	other := kadm.NewClient(p.client()) // which knows no topic from before
	if there, err := other.ListTopics(ctx, "coex.dlq"); err != nil || there["coex.dlq"].Err == nil {
		t.Errorf("the doctor made a topic: %v, %v", there.Names(), err)
	}
}

func TestDoctorNamesWhoHoldsReadersBack(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	ctx := t.Context()
	const timeout = 6 * time.Second
	cl := p.client(kgo.TransactionalID("coexstream-slow"), kgo.TransactionTimeout(timeout))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "coex.history", Partition: 1, Value: []byte("{}")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got, code := p.findings("--only", "transactions")
	p.expect(got, "ok transactions : a coordinator answers; 1 transaction is open")
	if code != ExitOK {
		t.Errorf("exit code %d while it is young", code)
	}
	p.until("told the transaction that is slow", func() (string, bool) {
		got, code := p.findings("--only", "transactions", "--strict")
		return got, code == ExitFaults && strings.Contains(got, "warn transactions transactional id coexstream-slow: Ongoing for") &&
			strings.Contains(got, "warn transactions coex.history/1 (1 offset): read_committed consumers wait for coexstream-slow")
	})
	if err := cl.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	got, _ = p.findings("--only", "transactions")
	p.expect(got, "ok transactions : a coordinator answers; 0 transactions are open")
}

func TestDoctorIsBriefWhereNoBrokerAnswers(t *testing.T) {
	t.Chdir(t.TempDir())
	out, _, code := invoke(t, nil, "doctor", "--brokers", "127.0.0.1:1")
	if code != ExitFaults || strings.Count(out, "no broker answers") != 10 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for _, line := range []string{"FAIL  brokers       127.0.0.1:1: no answer: dial tcp", "  do          Start the broker", ", 1 failure\n"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
}

func TestDoctorLooksAtProcessesAndFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("secret", []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("secret", 0o644); err != nil { // for any umask
		t.Fatal(err)
	}
	conf := "ingress:\n  sources:\n    - {name: m, verify_token: long-enough-to-be-one, secrets: [{id: a, value_file: secret}]}\n"
	if err := os.WriteFile("coexstream.yaml", []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	process := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-2*time.Minute).UTC().Format(http.TimeFormat))
		if r.URL.Path == "/metrics" {
			fmt.Fprintln(w, `coexstream_config_info{hash="0123456789ab"} 1`)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"ready":false,"reason":"processor: waiting for partitions"}`)
	}))
	defer process.Close()
	ready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprintln(w, "# HELP\ncoexstream_config_info{a=\"b\",hash=\"0123456789ab\"} 1")
			return
		}
		fmt.Fprint(w, `{"ready":true}`)
	}))
	defer ready.Close()
	out, stderr, code := invoke(t, nil, "doctor", "--only", "secrets,disk,processes,clock", "--data-dir", "not/yet/there",
		"--admin", process.URL, "--admin", strings.TrimPrefix(ready.URL, "http://"), "--brokers", "127.0.0.1:1")
	if code != ExitFaults {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	dir, err := filepath.EvalSymlinks(".")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ = filepath.Abs(dir)
	for _, line := range []string{
		"warn  secrets       secret: source m, secret a: everybody can read it (-rw-r--r--)",
		dir + ": data_dir", // is not there yet, or has little room: how full the disk is is the machine's affair
		"FAIL  processes     " + process.URL + ": not ready: processor: waiting for partitions",
		"warn  processes     " + ready.URL + ": ready, but runs with another configuration (0123456789ab)",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	if strings.Contains(out, "short") || strings.Contains(out, "ssss") {
		t.Errorf("a secret is shown:\n%s", out)
	}
	if _, err := os.Stat("not"); err == nil {
		t.Error("the doctor made a folder")
	}
}

// Disks are left out: how full those of the machine are is its own affair.
func TestDoctorFindsNothingOnAFreshUp(t *testing.T) {
	t.Parallel()
	up := startUp(t, t.TempDir())
	if out, code := up.run("doctor", "--strict", "--skip", "disk"); code != ExitOK || strings.Count(out, "partitions, nothing waits") != 3 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	up.signal(syscall.SIGTERM)
	out, code := up.run("doctor", "--only", "brokers,processes", "--brokers", "127.0.0.1:1")
	if code != ExitFaults || !strings.Contains(out, "skip  processes") {
		t.Errorf("after its end: exit code %d\n%s", code, out)
	}
}
