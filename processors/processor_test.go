package processors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/schemas"
)

const partitions = 4

// cluster is an embedded broker with the topics.
type cluster struct {
	t      *testing.T
	kfake  *kfake.Cluster
	client *kgo.Client
	addrs  []string
}

func newCluster(t *testing.T, opts ...kfake.Opt) *cluster {
	t.Helper()
	var names []string
	for _, topic := range schemas.Topics() {
		names = append(names, topic.Name("coex."))
	}
	k, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(partitions, names...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &cluster{t: t, kfake: k, client: cl, addrs: k.ListenAddrs()}
}

// put writes a raw record as the ingress does.
func (c *cluster) put(topic schemas.Topic, waba, body string) {
	c.t.Helper()
	c.putAt(topic, waba, body, time.Now())
}

// putAt is put with the time at which the ingress received the webhook.
func (c *cluster) putAt(topic schemas.Topic, waba, body string, at time.Time) {
	c.t.Helper()
	if err := c.client.ProduceSync(c.t.Context(), rawRecord(topic, waba, body, at)).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

func rawRecord(topic schemas.Topic, waba, body string, at time.Time) *kgo.Record {
	return &kgo.Record{
		Topic: topic.Name("coex."), Partition: kafka.Partition([]byte(waba), partitions), Key: []byte(waba), Value: []byte(body),
		Headers: []kgo.RecordHeader{
			{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, at.UnixMilli(), 10)}, {Key: schemas.HeaderSource, Value: []byte("meta")},
		},
	}
}

func (c *cluster) config(instance string) processors.Config {
	cfg := processors.DefaultConfig()
	cfg.Brokers = c.addrs
	cfg.InstanceID = instance
	cfg.SessionTimeout = 6 * time.Second
	cfg.RebalanceTimeout = 10 * time.Second
	cfg.TickEvery, cfg.TickGrace = 50*time.Millisecond, 0
	return cfg
}

// run starts a processor; the function that it returns stops it and fails the test on an error.
func (c *cluster) run(cfg processors.Config) (stop func()) {
	c.t.Helper()
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelInfo
	}
	p, err := processors.New(cfg, processors.Deps{Log: slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: level}))})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				c.t.Errorf("processor: %v", err)
			}
		})
	}
	c.t.Cleanup(stop)
	return stop
}

// read follows a topic read-committed until until says that there is enough.
func (c *cluster) read(topic schemas.Topic, until func([]*kgo.Record) bool) []*kgo.Record {
	c.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics(topic.Name("coex.")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Minute)
	defer cancel()
	var got []*kgo.Record
	for !until(got) {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("%s: waited in vain; %d records so far", topic, len(got))
		}
		got = append(got, fs.Records()...)
	}
	return got
}

func atLeast(n int) func([]*kgo.Record) bool {
	return func(rs []*kgo.Record) bool { return len(rs) >= n }
}

func body(waba, field, value string) string {
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":%q,"changes":[{"field":%q,"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"9%s"},%s}}]}]}`, waba, field, waba, value)
}

func chunk(waba string, phase, order, progress int, ids ...string) string {
	msgs := ""
	for i, id := range ids {
		if i > 0 {
			msgs += ","
		}
		msgs += fmt.Sprintf(`{"from":"15550199","id":%q,"timestamp":"1772300000","type":"text","text":{"body":"b"}}`, id)
	}
	return body(waba, "history", fmt.Sprintf(`"history":[{"metadata":{"phase":%d,"chunk_order":%d,"progress":%d},"threads":[{"id":"15550199","messages":[%s]}]}]`, phase, order, progress, msgs))
}

func echo(waba, id string) string {
	return body(waba, "smb_message_echoes", fmt.Sprintf(`"message_echoes":[{"from":"15550100","to":"15550199","id":%q,"timestamp":"1772366400","type":"text","text":{"body":"x"}}]`, id))
}

func wamid(r *kgo.Record) string {
	var m schemas.Message
	if err := json.Unmarshal(r.Value, &m); err != nil {
		return err.Error()
	}
	return m.WAMID
}

func TestWebhooksBecomeEventsInOrder(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 100, "m3"))
	c.put(schemas.TopicRawBulk, "1", chunk("1", 1, 1, 100, "m4"))
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	c.put(schemas.TopicRawLive, "2", "{broken")
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 50, "m1", "m2"))
	c.run(c.config("a"))
	var got []string
	for _, r := range c.read(schemas.TopicHistory, atLeast(4)) {
		got = append(got, wamid(r))
	}
	if !slices.Equal(got, []string{"m1", "m2", "m3", "m4"}) {
		t.Errorf("history is %v", got)
	}
	if rs := c.read(schemas.TopicEchoes, atLeast(1)); wamid(rs[0]) != "e1" {
		t.Errorf("echoes are %v", rs)
	}
	dead := c.read(schemas.TopicDLQ, atLeast(1))
	if string(dead[0].Value) != "{broken" {
		t.Errorf("dlq has %q", dead[0].Value)
	}
	if rs := c.read(schemas.TopicSyncs, atLeast(1)); string(rs[0].Key) != "91" {
		t.Errorf("syncs key is %q", rs[0].Key)
	}
}

func TestPartsOfOtherBusinessesReachTheirPartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := "1", "2"
	for i := 2; kafka.Partition([]byte(a), partitions) == kafka.Partition([]byte(b), partitions); i++ {
		b = strconv.Itoa(i)
	}
	// Both in one body, keyed by the wrong one.
	both := echo(a, "ea")[:len(echo(a, "ea"))-2] + "," + echo(b, "eb")[len(`{"object":"whatsapp_business_account","entry":[`):]
	at := time.Now().Add(-time.Minute)
	c.putAt(schemas.TopicRawLive, b, both, at)
	c.run(c.config("a"))
	for _, r := range c.read(schemas.TopicEchoes, atLeast(2)) {
		var m schemas.Message
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		if want := kafka.Partition([]byte(m.WABAID), partitions); r.Partition != want {
			t.Errorf("echo of %s is in partition %d, want %d", m.WABAID, r.Partition, want)
		}
		// The part that was rerouted has the receipt of the whole, too.
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		if headers[schemas.HeaderReceivedAt] != strconv.FormatInt(at.UnixMilli(), 10) || headers[schemas.HeaderSource] != "meta" {
			t.Errorf("echo of %s has the headers %v", m.WABAID, headers)
		}
	}
}

// TestEveryEventOnceAndInOrderWhateverFails starts and stops two processors and lets commits fail, while webhooks
// arrive shuffled and repeated. It runs with live messages, and without them, so that processors work during commits.
// The held cache has room for all chunks, for some, or for none.
func TestEveryEventOnceAndInOrderWhateverFails(t *testing.T) {
	t.Parallel()
	usual := processors.DefaultConfig()
	t.Run("beside live messages", func(t *testing.T) {
		t.Parallel()
		everyEventOnce(t, 30, usual.BulkBytesPerTransaction, usual.HeldBytesMax)
	})
	t.Run("history alone", func(t *testing.T) {
		t.Parallel()
		everyEventOnce(t, 0, 32<<10, 64<<10)
	})
	t.Run("held chunks read again", func(t *testing.T) {
		t.Parallel()
		everyEventOnce(t, 0, 32<<10, 0)
	})
}

func everyEventOnce(t *testing.T, echoes int, bulkBytes, heldBytes int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed.Of(t), 1))
	c := newCluster(t)

	const businesses, chunks, perChunk = 12, 8, 25
	type raw struct {
		topic      schemas.Topic
		waba, body string
	}
	var all []raw
	wantHistory := map[string][]string{}
	for b := range businesses {
		waba := strconv.Itoa(100 + b)
		for phase := range 3 {
			for order := 1; order <= chunks; order++ {
				var ids []string
				for i := range perChunk {
					ids = append(ids, fmt.Sprintf("w%s.%d.%02d.%02d", waba, phase, order, i))
				}
				progress := 100 * order / chunks
				all = append(all, raw{schemas.TopicRawBulk, waba, chunk(waba, phase, order, progress, ids...)})
				wantHistory[waba] = append(wantHistory[waba], ids...)
			}
		}
		for i := range echoes {
			all = append(all, raw{schemas.TopicRawLive, waba, echo(waba, fmt.Sprintf("e%s.%d", waba, i))})
		}
	}
	for range len(all) / 10 {
		all = append(all, all[rng.IntN(len(all))])
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	fail := failCommits(c.kfake, rng.Uint64())
	config := func(instance string) processors.Config {
		cfg := c.config(instance)
		cfg.BulkBytesPerTransaction, cfg.HeldBytesMax = bulkBytes, heldBytes
		return cfg
	}
	stops := [2]func(){c.run(config("a")), nil}
	for i, r := range all {
		c.put(r.topic, r.waba, r.body)
		if i%(len(all)/8) == len(all)/16 {
			which := rng.IntN(2)
			if stops[which] != nil {
				stops[which]()
				stops[which] = nil
			} else {
				stops[which] = c.run(config(string(rune('a' + which))))
			}
		}
	}
	fail.Store(false)
	if stops[0] == nil {
		stops[0] = c.run(config("a"))
	}

	history := c.read(schemas.TopicHistory, atLeast(businesses*chunks*3*perChunk))
	got := map[string][]string{}
	for _, r := range history {
		var m schemas.Message
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		got[m.WABAID] = append(got[m.WABAID], m.WAMID)
	}
	for waba, want := range wantHistory {
		if !slices.Equal(got[waba], want) {
			t.Errorf("history of %s: %d messages, want %d in order; first difference at %d", waba, len(got[waba]), len(want), firstDifference(got[waba], want))
		}
	}
	seen := map[string]int{}
	for _, r := range c.read(schemas.TopicEchoes, atLeast(businesses*echoes)) {
		seen[wamid(r)]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("echo %s %d times", id, n)
		}
	}
	if len(seen) != businesses*echoes {
		t.Errorf("%d echoes, want %d", len(seen), businesses*echoes)
	}
}

func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

type switchable struct {
	mu sync.Mutex
	on bool
}

func (s *switchable) Store(on bool) { s.mu.Lock(); s.on = on; s.mu.Unlock() }
func (s *switchable) Load() bool    { s.mu.Lock(); defer s.mu.Unlock(); return s.on }

// failCommits lets one in ten ends of a transaction, or offset commits, fail.
func failCommits(k *kfake.Cluster, seed uint64) *switchable {
	s := &switchable{on: true}
	rng := rand.New(rand.NewPCG(seed, 2))
	k.ControlKey(int16(kmsg.TxnOffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !s.Load() || rng.IntN(10) != 0 {
			return nil, nil, false
		}
		r := req.(*kmsg.TxnOffsetCommitRequest)
		resp := r.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
		for _, t := range r.Topics {
			rt := kmsg.NewTxnOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.RebalanceInProgress.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	k.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !s.Load() || rng.IntN(15) != 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
	return s
}

// TestATransactionAlwaysCarriesOffsets: without offsets the group could not reject a suspended processor that lost its
// partitions.
func TestATransactionAlwaysCarriesOffsets(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var mu sync.Mutex
	var offsets, bare int
	pending := false
	c.kfake.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.kfake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		offsets++
		pending = true
		return nil, nil, false
	})
	c.kfake.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.kfake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if req.(*kmsg.EndTxnRequest).Commit && !pending {
			bare++
		}
		pending = false
		return nil, nil, false
	})
	cfg := c.config("a")
	cfg.BulkBytesPerTransaction = 1 << 10 // each held chunk leaves in a transaction of its own
	const chunks = 6
	for order := chunks; order >= 1; order-- {
		c.put(schemas.TopicRawBulk, "1", chunk("1", 0, order, 100, fmt.Sprintf("m%d", order)))
	}
	c.run(cfg)
	c.read(schemas.TopicHistory, atLeast(chunks))
	mu.Lock()
	defer mu.Unlock()
	if bare != 0 || offsets < 2 {
		t.Errorf("%d transactions without offsets, %d with", bare, offsets)
	}
}

// TestALimitThatWasLoweredDoesNotStopThePartition: a held chunk that exceeds the new limit goes to dlq.
func TestALimitThatWasLoweredDoesNotStopThePartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ids := make([]string, 200)
	for i := range ids {
		ids[i] = fmt.Sprintf("big%03d", i)
	}
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 100, ids...))
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	stop := c.run(c.config("a"))
	c.read(schemas.TopicSyncs, atLeast(1))
	stop()
	cfg := c.config("a")
	cfg.Decode.BytesMax = 4 << 10
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 50, "m1"))
	c.run(cfg)
	if rs := c.read(schemas.TopicHistory, atLeast(1)); wamid(rs[0]) != "m1" {
		t.Errorf("history begins with %s", rs[0].Value)
	}
	dead := c.read(schemas.TopicDLQ, atLeast(1))[0]
	got := fmt.Sprint(len(dead.Value), " ", headerOf(dead, schemas.HeaderDLQReason), " ", headerOf(dead, schemas.HeaderDLQTopic), "@", headerOf(dead, schemas.HeaderDLQOffset))
	if want := "0 body_too_long raw.bulk@0"; got != want { // the body is in the raw log
		t.Errorf("the letter is %s, want %s", got, want)
	}
}

// A processor that rebuilds a long state makes no progress meanwhile, and its metrics have the reason.
func TestARestoreIsShown(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	s := c.start(c.config("a"))
	c.committed(schemas.TopicRawLive, "1", 0)
	s.stop()
	held, letGo := c.holdFetch(schemas.TopicState.Name("coex."), anyPartition, 0)
	s = c.start(c.config("a"))
	<-held
	eventually(t, "the restore is shown", func() bool { return s.value(t, "restoring_partitions") > 0 })
	letGo()
	eventually(t, "the restore ends", func() bool { return s.value(t, "restoring_partitions") == 0 && s.value(t, "partitions") > 0 })
}
