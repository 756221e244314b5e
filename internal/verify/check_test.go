package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// memory is a Source whose records come in rounds: one round with each Poll that finds something.
type memory struct {
	raw    []judge.Record
	rounds [][]judge.Record
	polls  int
}

func (m *memory) Partitions(context.Context) (int32, error) { return 1, nil }

func (m *memory) Poll(_ context.Context, topics []schemas.Topic, visit func(judge.Record)) (int, error) {
	if slices.Contains(topics, schemas.TopicRawLive) {
		n := len(m.raw)
		for _, r := range m.raw {
			visit(r)
		}
		m.raw = nil
		return n, nil
	}
	if m.polls++; m.polls%2 == 0 || len(m.rounds) == 0 {
		return 0, nil
	}
	round := m.rounds[0]
	m.rounds = m.rounds[1:]
	for _, r := range round {
		visit(r)
	}
	return len(round), nil
}

// onboarded simulates businesses that do nothing but be onboarded and send broken bodies, and writes what a
// processor makes of that: an account event for each, and dead letters.
func onboarded(t *testing.T) (cfg CheckConfig, src *memory) {
	t.Helper()
	r := newReceiver(t, 0)
	srv := httptest.NewServer(r)
	defer srv.Close()
	sc := simulateConfig(t, srv.URL)
	sc.World = sc.World.Plain()
	w := &sc.World
	w.Dialog, w.Messages, w.Live, w.Contacts, w.Unknown, w.Declines, w.Broken, w.DuplicateRate, w.SecondNumber = 0, 0, 0, 0, 0, 0, 13, 0, 0
	sc.DialogURL, sc.YCloudURL = "", ""
	if _, err := Simulate(t.Context(), sc, Silent()); err != nil {
		t.Fatal(err)
	}
	l := readLedger(t, sc.TruthFile)
	src = &memory{}
	var events []judge.Record
	for i := range len(l.bodies) {
		if _, told := l.bodies[i]; !told {
			t.Fatalf("body %d of %d is not told", i, len(l.bodies))
		}
	}
	texts := map[truth.Digest][]byte{}
	for i, b := range rebuild(t, sc, l) {
		texts[l.bodies[i].Hash] = b
	}
	for k, d := range r.order {
		body := texts[d]
		raw := judge.Record{Topic: schemas.TopicRawLive, Offset: int64(k), Value: body, Headers: []judge.Header{
			{Key: schemas.HeaderSource, Value: []byte("meta")}, {Key: schemas.HeaderProvider, Value: []byte("meta")},
			{Key: schemas.HeaderRequestID, Value: []byte("r")}, {Key: schemas.HeaderReceivedAt, Value: []byte("1")},
		}}
		src.raw = append(src.raw, raw)
		events = append(events, processed(t, l, d, raw))
	}
	src.rounds = [][]judge.Record{events[:3], events[3:]}
	cfg = DefaultCheckConfig()
	cfg.TruthFile, cfg.Wait, cfg.Settle, cfg.Poll, cfg.ValidateEvery = sc.TruthFile, 30*time.Second, 2*time.Millisecond, time.Millisecond, 1
	return cfg, src
}

func processed(t *testing.T, l ledger, d truth.Digest, raw judge.Record) judge.Record {
	for _, b := range l.bodies {
		if b.Hash != d {
			continue
		}
		if p := b.Parts[0]; p.Kind == truth.KindDead {
			return judge.Record{Topic: schemas.TopicDLQ, Value: raw.Value, Offset: raw.Offset, Headers: append(slices.Clone(raw.Headers),
				judge.Header{Key: schemas.HeaderDLQReason, Value: []byte(p.Reasons[0])},
				judge.Header{Key: schemas.HeaderDLQTopic, Value: []byte("coex.raw.live")},
				judge.Header{Key: schemas.HeaderDLQPartition, Value: []byte("0")},
				judge.Header{Key: schemas.HeaderDLQOffset, Value: []byte(strconv.FormatInt(raw.Offset, 10))},
				judge.Header{Key: schemas.HeaderDLQMessage, Value: []byte("m")}, judge.Header{Key: schemas.HeaderDLQTime, Value: []byte("1")})}
		}
	}
	var env struct {
		Entry []struct {
			ID      string
			Time    int64
			Changes []struct{ Value json.RawMessage }
		}
	}
	if err := json.Unmarshal(raw.Value, &env); err != nil {
		t.Fatal(err)
	}
	value := env.Entry[0].Changes[0].Value
	var v struct {
		Event    string
		WabaInfo struct {
			WabaID string `json:"waba_id"`
		} `json:"waba_info"`
	}
	if err := json.Unmarshal(value, &v); err != nil {
		t.Fatal(err)
	}
	a := schemas.Account{WABAID: v.WabaInfo.WabaID, EntryID: env.Entry[0].ID, Event: v.Event, Time: env.Entry[0].Time, Original: value}
	return judge.Record{Topic: schemas.TopicAccount, Offset: raw.Offset, Key: []byte(a.WABAID), Value: a.AppendJSON(nil), Headers: []judge.Header{
		{Key: schemas.HeaderCESpecVersion, Value: []byte("1.0")}, {Key: schemas.HeaderCEID, Value: []byte(a.WABAID)},
		{Key: schemas.HeaderCEType, Value: []byte(schemas.TypeAccount)}, {Key: schemas.HeaderCESource, Value: []byte("/x")},
	}}
}

func TestCheckWaitsForWhatIsMissing(t *testing.T) {
	cfg, src := onboarded(t)
	v, err := checkMemory(t, cfg, src)
	if err != nil || !v.OK() {
		t.Fatalf("%v %+v", err, v)
	}
	if v.Count(judge.Lost) != 0 || len(src.rounds) != 0 {
		t.Fatalf("%+v", v)
	}
}

// checkMemory checks a source that is in memory.
func checkMemory(t *testing.T, cfg CheckConfig, src Source) (Verdict, error) {
	t.Helper()
	return CheckSource(t.Context(), cfg, src, Silent())
}

func TestCheckGivesUpAfterItsWait(t *testing.T) {
	cfg, src := onboarded(t)
	src.rounds = src.rounds[:1]
	cfg.Wait = 50 * time.Millisecond
	v, err := checkMemory(t, cfg, src)
	if err != nil || v.OK() || v.Count(judge.Lost) == 0 {
		t.Fatalf("%v %+v", err, v)
	}
	// A surplus record is found even if no record is missing.
	cfg, src = onboarded(t)
	src.rounds = append(src.rounds, src.rounds[1])
	cfg.Settle = 20 * time.Millisecond
	v, err = checkMemory(t, cfg, src)
	if err != nil || v.Count(judge.Duplicated) == 0 {
		t.Fatalf("%v %+v", err, v)
	}
}

func TestValuesAreHeldAgainstTheSchemas(t *testing.T) {
	cfg, src := onboarded(t)
	for i := range src.rounds[1] {
		if r := &src.rounds[1][i]; r.Topic == schemas.TopicAccount {
			r.Value = []byte(strings.Replace(string(r.Value), `"waba_id"`, `"phone_number":"","waba_id"`, 1))
			v, err := checkMemory(t, cfg, src)
			if err != nil || v.Faults != 1 || v.Count(judge.BadSchema) != 1 {
				t.Fatalf("%v %+v", err, v)
			}
			return
		}
	}
	t.Fatal("no account event in the second round")
}

func TestTheValidatorRefusesWhatTheSchemaRefuses(t *testing.T) {
	validate, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	good := `{"waba_id":"1","field":"x","original":{}}`
	if err := validate(schemas.TypeOther, []byte(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{`{`, `{"waba_id":"1","original":{}}`, `{"waba_id":1,"field":"x","original":{}}`} {
		if err := validate(schemas.TypeOther, []byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if err := validate("com.example.unknown", []byte(good)); err == nil {
		t.Error("an unknown type was accepted")
	}
}

func TestAMissingTruthIsAnError(t *testing.T) {
	cfg := DefaultCheckConfig()
	cfg.TruthFile = filepath.Join(t.TempDir(), "no such file")
	if _, err := checkMemory(t, cfg, &memory{}); err == nil {
		t.Fatal("no error")
	}
	if err := os.WriteFile(cfg.TruthFile, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := checkMemory(t, cfg, &memory{}); err == nil {
		t.Fatal("no error")
	}
}

func TestACheckConfigurationIsRefusedByName(t *testing.T) {
	for key, change := range map[string]func(*CheckConfig){
		"brokers":        func(c *CheckConfig) { c.Brokers = nil },
		"truth_file":     func(c *CheckConfig) { c.TruthFile = "" },
		"wait":           func(c *CheckConfig) { c.Wait = -1 },
		"poll":           func(c *CheckConfig) { c.Poll = 0 },
		"gap_timeout":    func(c *CheckConfig) { c.GapTimeout = 0 },
		"validate_every": func(c *CheckConfig) { c.ValidateEvery = -1 },
		"samples_max":    func(c *CheckConfig) { c.SamplesMax = -1 },
	} {
		c := DefaultCheckConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A source over Kafka reads committed records, once, and no aborted ones.
func TestTheSourceReadsWhatWasCommittedOnce(t *testing.T) {
	topic := schemas.TopicHistory.Name("x.")
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	produce := func(commit bool, partition int32, values ...string) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			r := &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(v), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(v)}}}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	src := newKafkaSource(connectionTo(fake.ListenAddrs()), "x.")
	defer src.close()
	var got []string
	poll := func() {
		t.Helper()
		n, err := src.Poll(t.Context(), []schemas.Topic{schemas.TopicHistory}, func(r judge.Record) {
			got = append(got, fmt.Sprintf("%s/%d/%s/%s/%s", r.Topic, r.Partition, r.Key, r.Value, r.Headers[0].Value))
		})
		if err != nil {
			t.Fatal(err)
		}
		if n != len(got) {
			t.Fatalf("%d records counted, %d visited", n, len(got))
		}
	}
	check := func(want ...string) {
		t.Helper()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%q instead of %q", got, want)
		}
		got = nil
	}
	poll()
	check()
	produce(true, 0, "a", "b")
	produce(false, 0, "aborted")
	produce(true, 1, "c")
	poll()
	check("history/0/k/a/a", "history/0/k/b/b", "history/1/k/c/c")
	poll()
	check()
	produce(false, 1, "aborted")
	produce(true, 1, "d")
	poll()
	check("history/1/k/d/d")

	missing := newKafkaSource(kafka.Connection{Brokers: fake.ListenAddrs(), DialTimeout: time.Second, RequestTimeout: 2 * time.Second}, "none.")
	defer missing.close()
	if _, err := missing.Partitions(t.Context()); err == nil {
		t.Fatal("a cluster without the topics was read")
	}
}
