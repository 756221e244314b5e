package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/judge"
)

// stage is a folder with a configuration, and topics of its own on the cluster.
type stage struct {
	t      *testing.T
	binary string
	dir    string
	prefix string
	group  string

	listen     string
	ingress    *program
	processors []*program

	refusalsMax float64 // answers of 5xx that are allowed
}

const (
	partitions = 6
	appSecret  = "e2e-app-secret"
)

// newStage writes the configuration. more are lines of YAML for further keys.
func newStage(t *testing.T, brokers []string, replication, minISR int, more ...string) *stage {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	s := &stage{t: t, binary: path, dir: t.TempDir(), prefix: name + ".", group: name, listen: freeAddress(t)}
	config := fmt.Sprintf(`data_dir: %q
log.format: json
kafka.brokers: [%s]
kafka.prefix: %s
kafka.partitions: %d
kafka.replication_factor: %d
kafka.min_insync_replicas: %d
ingress.listen: %s
ingress.sources:
  - {name: meta, provider: meta, path: /webhooks/meta, verify_token: end-to-end-token, secrets: [{id: app, value: %s}]}
processor.group_id: %s
`, s.dir, strings.Join(brokers, ", "), s.prefix, partitions, replication, minISR, s.listen, appSecret, name)
	config += strings.Join(more, "\n")
	if err := os.WriteFile(filepath.Join(s.dir, "coexstream.yaml"), []byte(config+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a command to its end and returns its output and exit code.
func (s *stage) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), s.binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is run for a command that has to end with 0.
func (s *stage) must(args ...string) string {
	s.t.Helper()
	out, errs, code := s.run(args...)
	if code != 0 {
		s.t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// up creates the topics and starts one ingress and two processors.
func (s *stage) up() {
	s.t.Helper()
	s.must("topics", "create")
	s.must("topics", "verify")
	s.ingress = s.start("ingress", "ingress")
	for i := range 2 {
		s.processors = append(s.processors, s.start(fmt.Sprintf("processor-%d", i), "process", "--instance-id", fmt.Sprintf("processor-%d", i)))
	}
	s.ingress.awaitReady()
	for _, p := range s.processors {
		p.awaitReady()
	}
}

// down drains everything.
func (s *stage) down() {
	s.t.Helper()
	s.ingress.stop()
	for _, p := range s.processors {
		p.stop()
	}
}

// world is what a simulation plays.
type world struct {
	seed                                uint64
	businesses, messages, live, contact int
	rate                                float64  // webhooks a second; 0: as fast as it goes
	more                                []string // flags of simulate
}

func (w world) args(truth string) []string {
	return append([]string{"--truth", truth, "--seed", fmt.Sprint(w.seed), "--businesses", fmt.Sprint(w.businesses), "--messages", fmt.Sprint(w.messages),
		"--live", fmt.Sprint(w.live), "--contacts", fmt.Sprint(w.contact), "--rate", fmt.Sprint(w.rate)}, w.more...)
}

// simulate plays a world to its end. Every webhook of it is delivered.
func (s *stage) simulate(w world) (truth string, r verify.SimulateReport) {
	s.t.Helper()
	truth = fmt.Sprintf("truth-%d.jsonl", w.seed)
	r, err := s.play(w, truth)
	if err != nil {
		s.t.Fatal(err)
	}
	return truth, r
}

func (s *stage) play(w world, truth string) (r verify.SimulateReport, err error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), s.binary, append([]string{"simulate", "--url", "http://" + s.listen + "/webhooks/meta",
		"--secret", appSecret, "--output", "json", "--retry-for", "5m", "--concurrency", "16"}, w.args(truth)...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &errs
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("simulate: %w\n%s%s", err, out.String(), errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("simulate: %w\n%s", err, out.String())
	}
	return r, nil
}

// load plays one world after the other until it has to finish. An interrupted onboarding would prove little: the chunks
// behind one that was never sent are held, and rightly so.
type load struct {
	s       *stage
	last    func() // the world that is being played is the last one
	ended   chan struct{}
	err     error
	truths  []string
	reports []verify.SimulateReport
}

func (s *stage) load(w world) *load {
	stop := make(chan struct{})
	l := &load{s: s, last: sync.OnceFunc(func() { close(stop) }), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		for {
			truth := fmt.Sprintf("truth-%d.jsonl", w.seed)
			r, err := s.play(w, truth)
			if err != nil {
				l.err = err
				return
			}
			l.truths, l.reports = append(l.truths, truth), append(l.reports, r)
			w.seed++
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	return l
}

// end plays the last world to its end.
func (l *load) end() (truths []string) {
	l.s.t.Helper()
	l.last()
	<-l.ended
	if l.err != nil {
		l.s.t.Fatal(l.err)
	}
	return l.truths
}

// finish plays the last world to its end, judges all of them, and says how it went.
func (l *load) finish() {
	l.s.t.Helper()
	for i, truth := range l.end() {
		l.s.check(truth)
		l.s.bounded(l.reports[i])
	}
	l.s.down()
}

// accepted is how many webhooks were answered with 200.
func (s *stage) accepted() float64 {
	return s.ingress.metric("coexstream_ingress_requests_total", `code="200"`)
}

// underLoad lets the ingress accept so many more webhooks.
func (s *stage) underLoad(l *load, webhooks float64) {
	s.t.Helper()
	from := s.accepted()
	until(s.t, fmt.Sprintf("%v more webhooks are accepted", webhooks), func() bool {
		select {
		case <-l.ended:
			s.t.Fatalf("the load ended too early: %v", l.err)
		default:
		}
		return s.accepted() >= from+webhooks
	})
}

// check judges the topics: everything once, in order, nothing else.
func (s *stage) check(truth string) judge.Verdict {
	s.t.Helper()
	out, errs, code := s.run("check", "--truth", truth, "--output", "json", "--wait", patience.String())
	var v judge.Verdict
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		s.t.Fatalf("check: exit code %d: %v\n%s%s", code, err, out, errs)
	}
	var b strings.Builder
	for _, t := range v.Topics {
		fmt.Fprintf(&b, " %s %d", t.Topic, t.Seen)
		if len(t.Faults) > 0 {
			fmt.Fprintf(&b, " FAULTS %v", t.Faults)
		}
	}
	s.t.Logf("check: %d bodies owed, %d faults, %d events wait for what was never sent; seen:%s", v.BodiesOwed, v.Faults, v.Pending, b.String())
	for _, sample := range v.Samples {
		s.t.Errorf("%s: %s: %s", sample.Topic, sample.Fault, sample.What)
	}
	if code != 0 || !v.OK() {
		s.t.Errorf("check: exit code %d, %d faults\n%s", code, v.Faults, errs)
	}
	return v
}

// refusals is how many webhooks were answered with 5xx.
func (s *stage) refusals() float64 {
	return s.ingress.metric("coexstream_ingress_requests_total", `code="5`)
}

// bounded checks what the sender saw of all this: with the spool, nothing.
func (s *stage) bounded(r verify.SimulateReport) {
	s.t.Helper()
	if n := s.refusals(); n > s.refusalsMax || r.Unacked > 0 {
		s.t.Errorf("%v answers of 5xx, of which %v are allowed; %d webhooks given up: %s", n, s.refusalsMax, r.Unacked, r.LastError)
	}
	const produce = "coexstream_ingress_produce_duration_seconds"
	s.t.Logf("%d webhooks, %d deliveries, %d retries in %s; mean produce %.3fs; durable by kafka %v, by spool %v; session restarts %v and %v",
		r.Bodies, r.Acked, r.Retries, r.Elapsed.Round(time.Millisecond), s.ingress.metric(produce+"_sum")/s.ingress.metric(produce+"_count"),
		s.ingress.metric("coexstream_ingress_durable_total", `by="kafka"`), s.ingress.metric("coexstream_ingress_durable_total", `by="spool"`),
		s.processors[0].metric("coexstream_processor_session_restarts_total"), s.processors[1].metric("coexstream_processor_session_restarts_total"))
}
