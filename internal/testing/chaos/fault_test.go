package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/internal/testing/required"
	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// These tests play one fault each against a small load. They share a cluster, and each has its own topics.

var shared struct {
	once    sync.Once
	cluster *cluster
	binary  string
	dir     string
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		_ = shared.cluster.close() // the tests are over
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir) // as above
	}
	os.Exit(code)
}

// scene is a stage of its own for a test: ingress and two processors run on the shared cluster.
func scene(t *testing.T) *stage {
	t.Helper()
	s := emptyScene(t, "")
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func emptyScene(t *testing.T, broken string) *stage {
	t.Helper()
	if os.Getenv("COEXSTREAM_TEST_KAFKA") == "" {
		t.Skip("SKIP: it needs Apache Kafka; run with COEXSTREAM_TEST_KAFKA=1")
	}
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "coexstream-faults-"); shared.err != nil {
			return
		}
		if shared.binary, shared.err = buildClocked(t.Context(), shared.dir); shared.err != nil {
			return
		}
		// It outlives the test that is the first to need it.
		shared.cluster, shared.err = startCluster(context.WithoutCancel(t.Context()))
	})
	if errors.Is(shared.err, kafkacluster.ErrUnavailable) {
		required.LeaveOut(t, shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	s, err := newStage(t.Context(), shared.cluster, t.Output(), shared.binary, broken, t.TempDir(), strings.ToLower(t.Name())+".")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// smallLoad takes about as long as the faults.
func smallLoad(faults []fault) load {
	length := 2 * time.Second
	for _, f := range faults {
		length = max(length, f.at+f.length+time.Second)
	}
	l := loadFor(1, length, 1)
	l.businesses, l.messages, l.live, l.contacts = 6, 3000, 600, 150
	return l
}

// outlives plays the faults, and expects check to be content.
func outlives(t *testing.T, faults ...fault) *stage {
	t.Helper()
	s := scene(t)
	s.outlives(t, faults...)
	return s
}

func (s *stage) outlives(t *testing.T, faults ...fault) {
	t.Helper()
	if err := s.perform(t.Context(), faults, smallLoad(faults), 3*time.Minute); err != nil {
		for _, p := range []string{ingressName, processorName(1), processorName(2)} {
			if b, readErr := os.ReadFile(s.byName(p).logFile()); readErr == nil {
				t.Logf("%s:\n%s", p, tail(b, 4000))
			}
		}
		t.Fatal(err)
	}
}

func tail(b []byte, most int) []byte {
	if len(b) <= most {
		return b
	}
	b = b[len(b)-most:]
	return b[bytes.IndexByte(b, '\n')+1:]
}

const aSecond = time.Second

func TestFaultKillProcessor(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: aSecond, kind: kindKill, target: processorName(1)},
		fault{at: 4 * aSecond, length: 300 * time.Millisecond, kind: kindKill, target: processorName(2)})
}

func TestFaultKillIngress(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: aSecond, kind: kindKill, target: ingressName},
		fault{at: 4 * aSecond, length: 200 * time.Millisecond, kind: kindKill, target: ingressName})
}

func TestFaultZombieProcessor(t *testing.T) {
	outlives(t, fault{at: 2 * aSecond, length: sessionTime + 4*aSecond, kind: kindZombie, target: processorName(1)})
}

func TestFaultZombieIngress(t *testing.T) {
	outlives(t, fault{at: 2 * aSecond, length: 5 * aSecond, kind: kindZombie, target: ingressName})
}

func TestFaultZombieBroker(t *testing.T) {
	outlives(t, fault{at: 2 * aSecond, length: 12 * aSecond, kind: kindZombie, target: brokerName(1)})
}

func TestFaultProcessorReplaced(t *testing.T) {
	outlives(t, fault{at: 2 * aSecond, length: 4 * aSecond, kind: kindReplace, target: processorName(1)})
}

func TestFaultBrokerKill(t *testing.T) {
	outlives(t, fault{at: 2 * aSecond, length: 3 * aSecond, kind: kindKill, target: brokerName(0)})
}

// TestFaultEveryBrokerKilled: the whole cluster fails at once, and returns. The spool keeps the webhooks in between.
func TestFaultEveryBrokerKilled(t *testing.T) {
	s := scene(t)
	f := fault{at: 2 * aSecond, length: 5 * aSecond, kind: kindKill}
	simulated := make(chan error, 1)
	go func() { simulated <- s.simulate(t.Context(), smallLoad([]fault{f})) }()
	if err := rest(t.Context(), f.at); err != nil {
		t.Fatal(err)
	}
	killed := make(chan error, brokerCount)
	for i := range brokerCount {
		go func() {
			one := f
			one.target = brokerName(i)
			killed <- s.inject(t.Context(), one) // not by the plan, which spares the others
		}()
	}
	for range brokerCount {
		if err := <-killed; err != nil {
			t.Error(err)
		}
	}
	if err := <-simulated; err != nil {
		t.Fatal(err)
	}
	if err := s.check(t.Context(), 3*time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestFaultBrokerStop(t *testing.T) {
	outlives(t, fault{at: 2 * aSecond, length: 2 * aSecond, kind: kindStop, target: brokerName(2)})
}

func TestFaultSlowBroker(t *testing.T) {
	outlives(t, fault{at: aSecond, length: 8 * aSecond, kind: kindSlow, target: brokerName(1)})
}

func TestFaultNetworkCutIngressBroker(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 3 * aSecond, kind: kindCut, target: ingressName + "~" + brokerName(0)},
		fault{at: 6 * aSecond, length: 3 * aSecond, kind: kindCut, target: ingressName + "~" + everyBroker})
}

func TestFaultNetworkCutProcessorBroker(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 3 * aSecond, kind: kindCut, target: processorName(1) + "~" + brokerName(1)},
		fault{at: 6 * aSecond, length: sessionTime + 2*aSecond, kind: kindCut, target: processorName(2) + "~" + everyBroker})
}

func TestFaultNetworkStall(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 6 * aSecond, kind: kindStall, target: ingressName + "~" + everyBroker},
		fault{at: 2 * aSecond, length: sessionTime + 5*aSecond, kind: kindStall, target: processorName(1) + "~" + everyBroker})
}

func TestFaultAnswersLost(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 3 * aSecond, kind: kindDeaf, target: ingressName + "~" + everyBroker},
		fault{at: 2 * aSecond, length: 4 * aSecond, kind: kindDeaf, target: processorName(1) + "~" + everyBroker},
		fault{at: 8 * aSecond, length: sessionTime + 4*aSecond, kind: kindDeaf, target: processorName(2) + "~" + everyBroker})
}

func TestFaultSlowNetwork(t *testing.T) {
	outlives(t,
		fault{at: aSecond, length: 8 * aSecond, kind: kindDelay, target: ingressName + "~" + everyBroker, delay: 300 * time.Millisecond},
		fault{at: 2 * aSecond, length: 8 * aSecond, kind: kindDelay, target: processorName(1) + "~" + everyBroker, delay: 400 * time.Millisecond})
}

func TestFaultRebalance(t *testing.T) {
	outlives(t, fault{at: aSecond, length: 12 * aSecond, kind: kindScale, target: "processors"})
}

// withTablesToo is outlives with sinks and PostgreSQL. check compares the tables with the topics, too.
func withTablesToo(t *testing.T, faults ...fault) *stage {
	t.Helper()
	s := emptyScene(t, "")
	if err := s.setTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.tables == nil {
		t.Skip("SKIP: there is no PostgreSQL")
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.outlives(t, faults...)
	return s
}

func TestFaultSinkKilledAndSuspended(t *testing.T) {
	withTablesToo(t,
		fault{at: aSecond, length: aSecond, kind: kindKill, target: sinkName(1)},
		fault{at: 3 * aSecond, length: 2 * sessionTime, kind: kindZombie, target: sinkName(2)})
}

func TestFaultSinksScaled(t *testing.T) {
	withTablesToo(t, fault{at: aSecond, length: 12 * aSecond, kind: kindScale, target: sinksTarget})
}

func TestFaultPostgres(t *testing.T) {
	s := withTablesToo(t,
		fault{at: aSecond, length: aSecond, kind: kindKill, target: postgresName},
		fault{at: 5 * aSecond, length: 2 * aSecond, kind: kindStop, target: postgresName},
		fault{at: 9 * aSecond, length: 2 * aSecond, kind: kindDeaf, target: sinkName(1) + "~" + postgresName},
		fault{at: 9 * aSecond, length: 4 * aSecond, kind: kindStall, target: sinkName(2) + "~" + postgresName})
	// The judge notices one row.
	conn, err := pgx.Connect(t.Context(), s.tables.server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), "DELETE FROM coexstream.receipts WHERE ctid = (SELECT min(ctid) FROM coexstream.receipts)")
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := s.check(t.Context(), aSecond); !errors.Is(err, errFaults) {
		t.Errorf("a row is missing, and check says: %v", err)
	}
}

// withTargetsToo is outlives with webhook and archive sinks, a receiver and an S3 server. check judges both, too.
func withTargetsToo(t *testing.T, faults ...fault) *stage {
	t.Helper()
	s := emptyScene(t, "")
	if err := s.setTargets(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.outlives(t, faults...)
	return s
}

func TestFaultWebhookAndArchiveSinks(t *testing.T) {
	withTargetsToo(t,
		fault{at: aSecond, length: aSecond, kind: kindKill, target: webhookName(1)},
		fault{at: aSecond, length: aSecond, kind: kindKill, target: archiveName(1)},
		fault{at: 3 * aSecond, length: 2 * sessionTime, kind: kindZombie, target: webhookName(2)},
		fault{at: 3 * aSecond, length: 2 * sessionTime, kind: kindZombie, target: archiveName(2)})
}

func TestFaultReceiverAndBucket(t *testing.T) {
	s := withTargetsToo(t,
		fault{at: aSecond, length: aSecond, kind: kindKill, target: receiverName},
		fault{at: aSecond, length: aSecond, kind: kindKill, target: bucketName},
		fault{at: 4 * aSecond, length: 3 * aSecond, kind: kindFail, target: receiverName},
		fault{at: 5 * aSecond, length: 4 * aSecond, kind: kindZombie, target: bucketName},
		fault{at: 9 * aSecond, length: 4 * aSecond, kind: kindPause, target: receiverName},
		fault{at: 14 * aSecond, length: 3 * aSecond, kind: kindDeaf, target: webhookName(1) + "~" + receiverName},
		fault{at: 14 * aSecond, length: 3 * aSecond, kind: kindDeaf, target: archiveName(2) + "~" + bucketName})
	// The judges notice one answer, and one object.
	file := filepath.Join(s.received(), "crm.jsonl")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	i := slices.IndexFunc(lines, func(line []byte) bool { // that was not repeated
		var l receiver.Line
		return json.Unmarshal(line, &l) == nil && l.Request != nil && bytes.Contains(l.Request.Bytes(), []byte(schemas.TypeMessage)) &&
			bytes.Count(content, []byte(`"webhook_id":"`+l.Request.WebhookID+`"`)) == 1
	})
	if i < 0 {
		t.Fatal("no message arrived once")
	}
	s.damaged(t, file, bytes.Join(slices.Delete(lines, i, i+1), nil), content)
	object := innerObject(t, filepath.Join(s.dir, "bucket"))
	s.targets.bucket.kill()
	if err := errors.Join(os.Remove(object), s.targets.bucket.start(), s.targets.bucket.waitReady(t.Context(), readyTimeout)); err != nil {
		t.Fatal(err)
	}
	if err := s.check(t.Context(), aSecond); !errors.Is(err, errFaults) {
		t.Errorf("an object is missing, and check says: %v", err)
	}
}

// damaged lets check see other content of a file of the receiver.
func (s *stage) damaged(t *testing.T, file string, bad, good []byte) {
	t.Helper()
	if err := os.WriteFile(file, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.check(t.Context(), aSecond); !errors.Is(err, errFaults) {
		t.Errorf("a request is missing, and check says: %v", err)
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
}

// innerObject is the file of an object with messages that has neighbours in its chain. A rule of the bucket may remove the
// first objects, and the sinks archive the records of the last one again.
func innerObject(t *testing.T, bucket string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(bucket, "*messages*.object"))
	if err != nil {
		t.Fatal(err)
	}
	chains := map[string][]string{}
	for _, file := range files {
		name, err := url.PathUnescape(filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		if folder, object := path.Split(name); object[0] >= '0' && object[0] <= '9' { // not a hint
			chains[folder] = append(chains[folder], file)
		}
	}
	for _, chain := range chains {
		if len(chain) > 2 {
			return chain[1]
		}
	}
	t.Fatalf("no chain has an object with neighbours: %q", files)
	return ""
}

// TestFaultFullDisk has a kill at the worst moment, too: the spool is in use, and the disk is full.
func TestFaultFullDisk(t *testing.T) {
	s := scene(t)
	if s.disk == nil {
		required.LeaveOut(t, errors.New("no file system may be mounted here"))
	}
	full := fault{at: aSecond, length: 9 * aSecond, kind: kindFull, target: ingressName}
	kill := fault{at: 7 * aSecond, length: 200 * time.Millisecond, kind: kindKill, target: ingressName}
	killed := make(chan error, 1)
	go func() {
		err := rest(t.Context(), kill.at)
		if err == nil {
			err = s.inject(t.Context(), kill) // not by the plan, which would not let the two meet
		}
		killed <- err
	}()
	if err := s.perform(t.Context(), []fault{full}, smallLoad([]fault{full}), 3*time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
}

// TestOutageIsSpooled: while no broker can be reached, senders get their 200.
func TestOutageIsSpooled(t *testing.T) {
	s := scene(t)
	links, err := s.links().between(ingressName + "~" + everyBroker)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		l.set(linkCut, 0)
	}
	simulated := s.simulate(t.Context(), load{seed: 2, businesses: 3, messages: 500, live: 100, contacts: 20, retryFor: 20 * time.Second, concurrency: 8})
	for _, l := range links {
		l.set(linkOpen, 0)
	}
	if simulated != nil {
		t.Fatalf("while Kafka was away: %v", simulated)
	}
	if err := s.check(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
}

// TestFaultMadTenant: what a business sends that goes mad waits its turn, and all others' events are as they would be.
func TestFaultMadTenant(t *testing.T) {
	s := outlives(t, fault{at: aSecond, length: 6 * aSecond, kind: kindMad, target: tenantTarget})
	waited := 0.0
	for _, i := range []int{1, 2} {
		n, err := s.processors[processorName(i)].counted(t.Context(), "coexstream_processor_deferred_records_total")
		if err != nil {
			t.Fatal(err)
		}
		waited += n
	}
	if waited == 0 {
		t.Error("no record of the mad tenant waited")
	}
	o, err := s.outcome(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.overtaken == 0 {
		t.Errorf("no event of another business came out before any of the mad tenant's %d that were received before it", o.mad)
	}
}

// TestFaultRottenBytes: bytes of the spool are flipped while the ingress is down. The damage is reported and kept, and
// nothing else is missing.
func TestFaultRottenBytes(t *testing.T) {
	s := outlives(t,
		fault{at: aSecond, length: 3 * aSecond, kind: kindRotten, target: spoolTarget},
		fault{at: 8 * aSecond, length: 3 * aSecond, kind: kindRotten, target: spoolTarget})
	if n := len(s.rotten.damaged); n < 2 || n >= len(s.rotten.acked) {
		t.Errorf("%d of %d webhooks were damaged", n, len(s.rotten.acked))
	}
}

// TestTheMistakeFitsTheSource: the product changes, and the mistake is to be made in what it is now.
func TestTheMistakeFitsTheSource(t *testing.T) {
	variants := append(mistakes(), setClock())
	var changed []string // the packages; the program is not linked
	for _, v := range variants {
		changed = append(changed, "./"+path.Dir(v.file))
	}
	if err := build(t.Context(), t.TempDir(), "broken", variants, changed...); err != nil {
		t.Fatal(err)
	}
}

// TestABrokenBuildIsFound: faults and check would be worth nothing if they let a mistake pass.
func TestABrokenBuildIsFound(t *testing.T) {
	if os.Getenv("COEXSTREAM_TEST_KAFKA") == "" {
		t.Skip("SKIP: it needs Apache Kafka; run with COEXSTREAM_TEST_KAFKA=1")
	}
	broken, err := buildBroken(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := emptyScene(t, broken)
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var faults []fault
	for i := range 8 {
		faults = append(faults, fault{at: time.Duration(i+1) * 2 * aSecond, length: 200 * time.Millisecond, kind: kindKill, target: processorName(i%2 + 1)})
	}
	l := smallLoad(faults)
	l.live = 4000
	if err := s.perform(t.Context(), faults, l, 10*time.Second); !errors.Is(err, errFaults) {
		t.Fatalf("processors that commit offsets outside the transaction: %v", err)
	}
}
