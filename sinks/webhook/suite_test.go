package webhook_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
	"github.com/coexstream/coexstream/sinks/webhook"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// The suite of all sinks, as far as it makes sense for a target that cannot be read back. Its target is a receiver, whose content is what it
// answered with 200. The sinks stand where their consumer group stands.

// suiteInFlight is the limit in flight of the suite's endpoint.
const suiteInFlight = 4

// suiteEndpoint takes all events of the suite's worlds.
func suiteEndpoint(url string, more ...string) (webhook.Endpoints, error) {
	var names []string
	for _, topic := range sinks.TableTopics() {
		names = append(names, topic.String())
	}
	es, err := webhook.Parse(fmt.Appendf(nil, `endpoints:
  - name: suite
    url: %s/hooks
    insecure_http: true
    allow: [127.0.0.0/8]
    secrets: [{id: a, value: %s}]
    historical: true
    topics: [%s]
    start: beginning
    body_bytes_max: 8388608
    in_flight: %d
    %s
`, url, someSecret, strings.Join(names, ", "), suiteInFlight, strings.Join(more, "\n    ")))
	if err != nil {
		return nil, err
	}
	return es, es.Load(nil)
}

// hasty does not wait long for anything.
func hasty() webhook.Config {
	c := webhook.DefaultConfig()
	c.Poll, c.Settle, c.RetryMin, c.RetryMax, c.Probe = time.Millisecond, 5*time.Millisecond, time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	return c
}

// spacious has a window that is never full. So no business has to make room by letters, as one that fails while others succeed has.
func spacious() webhook.Config {
	c := hasty()
	c.HeldMax, c.HeldBytes = 1<<20, 1<<30
	return c
}

// letterFile keeps letters in a file, a line each.
type letterFile string

func (f letterFile) Keep(_ context.Context, _ string, l *queue.Letter, _ time.Time) error {
	return appendLine(string(f), fmt.Sprintf("%s/%d@%d", l.Topic, l.Partition, l.Offset))
}

func (f letterFile) read() (map[string]bool, error) {
	lines, err := readLines(string(f))
	all := map[string]bool{}
	for _, line := range lines {
		all[line] = true
	}
	return all, err
}

// appendLine appends to a file in one write: it outlives a kill.
func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

func readLines(path string) ([]string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(content)), err
}

// eventID is that of the event in a request.
func eventID(body io.Reader) (string, error) {
	content, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	var e struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(content, &e); err != nil || e.ID == "" {
		return "", fmt.Errorf("no id in %.100q: %w", content, err)
	}
	return e.ID, nil
}

// inbox is a receiver. It keeps the ids of the events that it answered with 200, in their order.
type inbox struct {
	server  *httptest.Server
	letters letterFile

	hold sync.RWMutex // a writer keeps all requests waiting

	mu        sync.Mutex
	took      []string
	faults    []string
	disturbed int // processes that were killed, suspended or excluded, and answers that may have come too late
}

func newInbox(t *testing.T) *inbox {
	in := &inbox{letters: letterFile(filepath.Join(t.TempDir(), "letters"))}
	in.server = httptest.NewServer(http.HandlerFunc(in.take))
	t.Cleanup(in.server.Close)
	return in
}

func (in *inbox) take(w http.ResponseWriter, r *http.Request) {
	id, err := eventID(r.Body)
	in.hold.RLock()
	defer in.hold.RUnlock()
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.faults = append(in.faults, err.Error())
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	in.took = append(in.took, id)
	w.WriteHeader(http.StatusOK)
}

// holds keeps all requests waiting until release. Some may be given up, and be answered all the same.
func (in *inbox) holds(testing.TB) (release func()) {
	in.hold.Lock()
	return func() {
		in.disturb()
		in.hold.Unlock()
	}
}

func (in *inbox) disturb() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.disturbed++
}

// judge holds that each event arrived, in the order of its business and topic, and that poison became letters.
func (in *inbox) judge(t testing.TB, w *sinktest.World) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.faults) > 0 {
		t.Errorf("%d requests are no events, the first: %s", len(in.faults), in.faults[0])
	}
	letters, err := in.letters.read()
	if err != nil {
		t.Error(err)
	}
	judgeTook(t, w.Sent(), in.took, letters, in.disturbed*suiteInFlight)
}

// judgeTook compares what a receiver took, and the letters, with the records of a world.
func judgeTook(t testing.TB, sent []sinktest.Sent, took []string, letters map[string]bool, repeatedMax int) {
	t.Helper()
	at, times := map[string]int{}, map[string]int{} // the first arrival of an event, and how often it came
	for i, id := range took {
		if times[id]++; times[id] == 1 {
			at[id] = i
		}
	}
	owed, poison := map[string]int{}, 0
	type line struct {
		topic     schemas.Topic
		partition int32
		business  string
	}
	lines := map[line][]sinktest.Sent{}
	for _, s := range sent {
		place := fmt.Sprintf("%s/%d@%d", s.Topic, s.Partition, s.Offset)
		switch {
		case s.Poison:
			if poison++; !letters[place] {
				t.Errorf("%s is no event, and did not become a letter", place)
			}
		case !s.Replayed:
			if owed[s.ID]++; owed[s.ID] == 1 && s.Business != "" {
				l := line{s.Topic, s.Partition, s.Business}
				lines[l] = append(lines[l], s)
			}
		}
	}
	lost, repeated, unknown, misordered := 0, 0, 0, 0
	for id, n := range owed {
		if times[id] < n {
			lost++
		}
		repeated += max(0, times[id]-n)
	}
	for id := range times {
		if owed[id] == 0 {
			unknown++
		}
	}
	for _, events := range lines {
		slices.SortFunc(events, func(a, b sinktest.Sent) int { return cmp.Compare(a.Offset, b.Offset) })
		last := -1
		for _, e := range events {
			if i, came := at[e.ID]; came {
				if i < last {
					misordered++
				}
				last = max(last, i)
			}
		}
	}
	if lost+unknown+misordered > 0 || repeated > repeatedMax || len(letters) != poison {
		t.Errorf("of %d events %d are lost, %d unknown, %d out of order, %d repeated (at most %d); %d letters, want %d", len(owed), lost, unknown, misordered, repeated, repeatedMax, len(letters), poison)
	}
	t.Logf("%d events, %d repetitions of at most %d", len(owed), repeated, repeatedMax)
}

// TestTheJudgeOfTheSuiteFindsWhatIsWrong: the others are worth what their judge is worth.
func TestTheJudgeOfTheSuiteFindsWhatIsWrong(t *testing.T) {
	sent := []sinktest.Sent{
		{Topic: schemas.TopicMessages, Offset: 0, ID: "a", Business: "x"}, {Topic: schemas.TopicMessages, Offset: 1, ID: "b", Business: "x"},
		{Topic: schemas.TopicMessages, Offset: 2, ID: "c", Business: "y"}, {Topic: schemas.TopicMessages, Offset: 3, ID: "d", Business: "y", Replayed: true},
		{Topic: schemas.TopicMessages, Offset: 4, ID: "e", Poison: true},
	}
	letter := map[string]bool{"messages/0@4": true}
	for name, c := range map[string]struct {
		took    []string
		letters map[string]bool
		wrong   bool
	}{
		"right":                   {took: []string{"c", "a", "b"}, letters: letter},
		"repeated in the bound":   {took: []string{"a", "a", "b", "c"}, letters: letter},
		"repeated too often":      {took: []string{"a", "a", "b", "c", "b"}, letters: letter, wrong: true},
		"lost":                    {took: []string{"a", "b"}, letters: letter, wrong: true},
		"out of order":            {took: []string{"b", "a", "c"}, letters: letter, wrong: true},
		"a replay left":           {took: []string{"a", "b", "c", "d"}, letters: letter, wrong: true},
		"poison left":             {took: []string{"a", "b", "c", "e"}, letters: letter, wrong: true},
		"poison without a letter": {took: []string{"a", "b", "c"}, wrong: true},
		"a letter of an event":    {took: []string{"a", "b", "c"}, letters: map[string]bool{"messages/0@4": true, "messages/0@1": true}, wrong: true},
	} {
		said := &quiet{TB: t}
		if judgeTook(said, sent, c.took, c.letters, 1); said.failed != c.wrong {
			t.Errorf("%s: a fault was found: %t", name, said.failed)
		}
	}
}

// quiet notes failures.
type quiet struct {
	testing.TB
	failed bool
}

func (q *quiet) Helper()               {}
func (q *quiet) Logf(string, ...any)   {}
func (q *quiet) Errorf(string, ...any) { q.failed = true }

// made is a sink of the suite's endpoint.
func made(url string, log sinks.Log, g webhook.Group, letters webhook.Letters, transport http.RoundTripper, more ...string) (*webhook.Sink, error) {
	return madeWith(hasty(), url, log, g, letters, transport, more...)
}

func madeWith(c webhook.Config, url string, log sinks.Log, g webhook.Group, letters webhook.Letters, transport http.RoundTripper, more ...string) (*webhook.Sink, error) {
	es, err := suiteEndpoint(url, more...)
	if err != nil {
		return nil, err
	}
	return webhook.New(c, webhook.Deps{
		Log: log, Letters: letters, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now, Transport: transport,
		Group: func(string) (webhook.Group, error) { return g, nil },
	}, es)
}

// runner is a sink that knows its end: its group stands at the ends of the logs.
type runner struct {
	*webhook.Sink
	log   sinks.Log
	group webhook.Group
}

func (r runner) CaughtUp() bool {
	ctx := context.Background()
	partitions, err := r.log.Partitions(ctx)
	if err != nil {
		return false
	}
	ends, err := r.log.Ends(ctx, partitions)
	if err != nil {
		return false
	}
	at, err := r.group.Committed(ctx, partitions)
	if err != nil {
		return false
	}
	for topic, of := range ends {
		for partition, end := range of {
			if end > 0 && at[topic][partition].Next < end {
				return false
			}
		}
	}
	return true
}

// standing is the suite's view of a sink that stands where its group stands.
type standing struct {
	sinks.Target
	group *group
}

func (s standing) Close() error { return nil }

func (s standing) Positions(ctx context.Context, partition int32) (map[schemas.Topic]sinks.Position, error) {
	all := map[schemas.Topic]sinks.Position{}
	at, err := s.group.Committed(ctx, nil)
	for topic, partitions := range at {
		all[topic] = sinks.Position{Next: partitions[partition].Next}
	}
	return all, err
}

// TestSuite is the part of the suite of all sinks that holds for records. Replayed events do not leave.
func TestSuite(t *testing.T) {
	t.Parallel()
	sinktest.Records(t, func(t *testing.T) sinktest.Subject {
		in, g := newInbox(t), newGroup(0)
		g.latency = 0
		timeout, c := "timeout: 10s", hasty()
		if strings.HasSuffix(t.Name(), "slow_target") { // it is slower than the endpoint's patience
			timeout, c = "timeout: 200ms", spacious()
		}
		return sinktest.Subject{
			Open: func(testing.TB) sinktest.Target { return standing{group: g} }, Judge: in.judge, Hold: in.holds, Blind: true, Disturbed: in.disturb,
			Sink: func(_ *rand.Rand, log sinks.Log, _ sinktest.Target) (sinktest.Runner, error) {
				var err error
				if g.partitions, err = log.Partitions(t.Context()); err != nil {
					return nil, err
				}
				s, err := madeWith(c, in.server.URL, log, g, in.letters, nil, timeout)
				return runner{s, log, g}, err
			},
		}
	})
}

// groupFile is the group of a process that is alone. Its commits outlive a kill.
type groupFile struct {
	path       string
	partitions []int32
}

func (g *groupFile) Run(ctx context.Context, own, disown func([]int32), _ func(error)) error {
	own(g.partitions)
	<-ctx.Done()
	disown(g.partitions)
	return nil
}

func (g *groupFile) Leased(time.Time) bool { return true }

func (g *groupFile) Committed(context.Context, []int32) (map[schemas.Topic]map[int32]sinks.Committed, error) {
	all := map[schemas.Topic]map[int32]sinks.Committed{schemas.TopicAssets: {}} // the topic is there
	content, err := os.ReadFile(g.path)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(content, &all)
}

func (g *groupFile) Commit(ctx context.Context, offsets map[schemas.Topic]map[int32]sinks.Committed) error {
	all, err := g.Committed(ctx, nil)
	if err != nil {
		return err
	}
	for topic, partitions := range offsets {
		if all[topic] == nil {
			all[topic] = map[int32]sinks.Committed{}
		}
		maps.Copy(all[topic], partitions)
	}
	content, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(g.path+".next", content, 0o600); err != nil {
		return err
	}
	return os.Rename(g.path+".next", g.path)
}

// destination is where a process of the suite sends.
type destination struct {
	URL     string
	Letters letterFile
	Group   string // the file of a group without brokers
}

// ordered are the requests of a process that the suite started.
type ordered struct {
	http.RoundTripper
	o *sinktest.Order
}

func (r ordered) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	err = r.o.Write(req.Context(), 0, func(ctx context.Context) error {
		resp, err = r.RoundTripper.RoundTrip(req.WithContext(ctx)) //nolint:bodyclose // the client closes it
		return err
	})
	return resp, err
}

// child runs the sink in a process of its own.
func child(ctx context.Context, o *sinktest.Order) error {
	var to destination
	if err := json.Unmarshal([]byte(o.Target), &to); err != nil {
		return err
	}
	transport := ordered{&http.Transport{MaxIdleConnsPerHost: suiteInFlight}, o}
	if len(o.Brokers) == 0 {
		return o.Fill(ctx, func(log *sinktest.Log) (sinktest.Runner, error) {
			partitions, err := log.Partitions(ctx)
			if err != nil {
				return nil, err
			}
			g := &groupFile{path: to.Group, partitions: partitions}
			s, err := made(to.URL, log, g, to.Letters, transport)
			return runner{s, log, g}, err
		})
	}
	log, err := o.Log(sinks.TableTopics())
	if err != nil {
		return err
	}
	defer log.Close()
	g, err := o.Membership()
	if err != nil {
		return err
	}
	s, err := made(to.URL, log, g, to.Letters, transport)
	if err != nil {
		return err
	}
	o.Begun()
	return s.Run(ctx)
}

func placed(t *testing.T) sinktest.Place {
	t.Helper()
	in := newInbox(t)
	target, err := json.Marshal(destination{in.server.URL, in.letters, filepath.Join(t.TempDir(), "group")})
	if err != nil {
		t.Fatal(err)
	}
	return sinktest.Place{Target: string(target), Shared: true, Subject: sinktest.Subject{Judge: in.judge, Blind: true, Disturbed: in.disturb}}
}

func TestKills(t *testing.T) {
	t.Parallel()
	sinktest.Kills(t, placed)
}

func TestProcesses(t *testing.T) {
	sinktest.Long(t)
	sinktest.Processes(t, placed)
}

// TestRetentionThatPassesTheEndpoint: the sink stops where records are gone unread, and continues where its endpoint says so. It sends all
// records that are there.
func TestRetentionThatPassesTheEndpoint(t *testing.T) {
	t.Parallel()
	in, g, w := newInbox(t), newGroup(0), sinktest.NewWorld(7, 1200, 0, 1)
	g.latency, g.partitions = 0, w.Partitions()
	log := sinktest.NewLog(w)
	log.Show(400)
	run := func(missing string, done func(runner) bool) {
		t.Helper()
		s, err := made(in.server.URL, log, g, in.letters, nil, "missing: "+missing)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		for end := time.Now().Add(4 * time.Minute); !done(runner{s, log, g}) && !t.Failed(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("it did not come to the end: %v", s.Ready())
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	run(webhook.MissingStop, runner.CaughtUp)
	read, gone := maps.Clone(g.offsets[schemas.TopicMessages]), int64(0)
	for _, at := range read {
		gone = max(gone, at.Next+20)
	}
	log.Show(1000)
	log.Retain(schemas.TopicMessages, gone)
	run(webhook.MissingStop, func(r runner) bool {
		err := r.Ready()
		return err != nil && strings.Contains(err.Error(), "retention removed the records before")
	})
	run(webhook.MissingContinue, runner.CaughtUp)
	left := slices.DeleteFunc(w.Sent(), func(s sinktest.Sent) bool {
		return s.Topic == schemas.TopicMessages && s.Offset < gone && s.Offset >= read[s.Partition].Next
	})
	if len(left) == 1200 {
		t.Fatal("retention removed nothing that was unread")
	}
	letters, err := in.letters.read()
	if err != nil {
		t.Fatal(err)
	}
	judgeTook(t, left, in.took, letters, 0)
}

const (
	receiverEnv   = "COEXSTREAM_WEBHOOK_RECEIVER"
	receiverKills = 20
)

// dyingReceiver is a receiver in a process of its own, which kills itself at one of its answers.
type dyingReceiver struct {
	Address string
	Took    string // the file of the ids
	Request int    // at which it dies, from 1; 0: none
	Kept    bool   // it keeps the event before it dies, as a receiver does whose answer is lost
}

func (d *dyingReceiver) run() error {
	listener, err := net.Listen("tcp", d.Address)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	requests := 0
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a receiver of a test, on loopback
		id, err := eventID(r.Body)
		mu.Lock()
		defer mu.Unlock()
		requests++
		dies := requests == d.Request
		if err == nil && (!dies || d.Kept) {
			err = appendLine(d.Took, id)
		}
		if dies {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
}

// TestAReceiverThatDiesAtItsAnswersGetsEverything: the process of the receiver is killed at an answer, before or after it kept the event.
func TestAReceiverThatDiesAtItsAnswersGetsEverything(t *testing.T) {
	t.Parallel()
	w := sinktest.NewWorld(16, 2000, 0, 1)
	log, g, rng := sinktest.NewLog(w), newGroup(0), seed.Rand(t)
	g.latency, g.partitions = 0, w.Partitions()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	took, letters := filepath.Join(dir, "took"), letterFile(filepath.Join(dir, "letters"))
	s, err := madeWith(spacious(), "http://"+address, log, g, letters, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for i := range receiverKills + 1 {
		d := dyingReceiver{Address: address, Took: took}
		if i < receiverKills {
			d.Request, d.Kept = 1+rng.IntN(80), i%2 == 0
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		var stderr bytes.Buffer
		cmd.Env, cmd.Stderr = append(os.Environ(), receiverEnv+"="+string(text)), &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i == receiverKills {
			for end := time.Now().Add(4 * time.Minute); !(runner{s, log, g}).CaughtUp(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Errorf("it did not come to the end: %v", s.Ready())
					break
				}
			}
			_ = cmd.Process.Kill()
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the receiver ended with %v, want the signal: %s", err, stderr.String())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ids, err := readLines(took)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := letters.read()
	if err != nil {
		t.Fatal(err)
	}
	judgeTook(t, w.Sent(), ids, kept, receiverKills*suiteInFlight)
}

func TestMain(m *testing.M) {
	if sinktest.ChildWith(child) {
		return
	}
	if text := os.Getenv(receiverEnv); text != "" {
		var d dyingReceiver
		err := json.Unmarshal([]byte(text), &d)
		if err == nil {
			err = d.run()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
