package processors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/schemas"
)

// mate is a business of the same partition as another one.
func mate(of string, not ...string) string {
	for i := 2; ; i++ {
		b := strconv.Itoa(i)
		if b != of && !slices.Contains(not, b) && kafka.Partition([]byte(b), partitions) == kafka.Partition([]byte(of), partitions) {
			return b
		}
	}
}

func messages(waba string, ids ...string) string {
	var all []string
	for _, id := range ids {
		all = append(all, fmt.Sprintf(`{"from":"15550199","id":%q,"timestamp":"1772366400","type":"text","text":{"body":"x"}}`, id))
	}
	return body(waba, "messages", `"messages":[`+strings.Join(all, ",")+`]`)
}

func ids(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s.%05d", prefix, i))
	}
	return all
}

// said is an event of `messages`, and in which of its partition's transactions it was committed.
type said struct {
	waba, wamid string
	transaction int
}

// saidIn reads the events of `messages` of a business's partition, as its log has them, up to the last of n.
func (c *cluster) saidIn(waba string, n int) (all []said) {
	c.t.Helper()
	topic := schemas.TopicMessages.Name("coex.")
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {kafka.Partition([]byte(waba), partitions): kgo.NewOffset().AtStart()}}))
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Minute)
	defer cancel()
	transaction := 0
	for len(all) < n {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("%s: waited in vain for %d events; %d so far", topic, n, len(all))
		}
		for _, r := range fs.Records() {
			if r.Attrs.IsControl() {
				transaction++
				continue
			}
			var m schemas.Message
			if err := json.Unmarshal(r.Value, &m); err != nil {
				c.t.Fatal(err)
			}
			all = append(all, said{m.WABAID, m.WAMID, transaction})
		}
	}
	return all
}

func of(waba string, all []said) (wamids []string) {
	for _, s := range all {
		if s.waba == waba {
			wamids = append(wamids, s.wamid)
		}
	}
	return wamids
}

// TestALongBodyDoesNotHoldUpAnotherBusiness: a message behind a live body of 10,000 messages in the same partition is
// committed in the first transaction. The messages of the body are committed in several, in order. The body is longer
// than the bulk of a transaction, so its first part ends a transaction on a machine of any speed.
func TestALongBodyDoesNotHoldUpAnotherBusiness(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	mad, other, now := "1", mate("1"), standingClock()
	want := ids("m", 10_000)
	c.put(schemas.TopicRawLive, mad, messages(mad, want...))
	c.put(schemas.TopicRawLive, other, messages(other, "o"))
	cfg := c.config("a")
	cfg.BulkBytesPerTransaction = 1 << 10
	c.startAt(cfg, now)
	all := c.saidIn(mad, len(want)+1)
	if all[0].wamid != "o" {
		t.Errorf("the other business's message comes behind %d messages of the long body", slices.IndexFunc(all, func(s said) bool { return s.wamid == "o" }))
	}
	if got := of(mad, all); !slices.Equal(got, want) {
		t.Errorf("%d messages of the long body, want %d in order; first difference at %d", len(got), len(want), firstDifference(got, want))
	}
	if first, last := all[1].transaction, all[len(all)-1].transaction; first == last {
		t.Errorf("the whole of the long body left in transaction %d", last)
	}
}

// TestManyBodiesDoNotHoldUpAnotherBusiness: of the bodies of one business in one poll, at most its share of a
// transaction goes before the record of another business.
func TestManyBodiesDoNotHoldUpAnotherBusiness(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := c.config("a")
	cfg.Deferred.BusinessBytesMax = 8 << 10
	mad, other, now := "1", mate("1"), standingClock()
	want := ids("m", 500)
	for _, id := range want {
		c.put(schemas.TopicRawLive, mad, messages(mad, id))
	}
	c.put(schemas.TopicRawLive, other, messages(other, "o"))
	most := int(cfg.Deferred.BusinessBytesMax) / len(messages(mad, want[0]))
	c.startAt(cfg, now)
	all := c.saidIn(mad, len(want)+1)
	if at := slices.IndexFunc(all, func(s said) bool { return s.wamid == "o" }); at > most || all[at].transaction > 0 {
		t.Errorf("the other business's message comes behind %d of the many, in transaction %d; want at most %d, and the first one", at, all[at].transaction, most)
	}
	if got := of(mad, all); !slices.Equal(got, want) {
		t.Errorf("%d messages of the many, want %d in order; first difference at %d", len(got), len(want), firstDifference(got, want))
	}
}

// TestBusinessesThatWaitAreServedInTurn: of two businesses with deferred records, the one with few does not wait for
// all of the other one's.
func TestBusinessesThatWaitAreServedInTurn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := c.config("a")
	cfg.Deferred.BodyBytesMax = 1 << 10
	mad, other, now := "1", mate("1"), standingClock()
	for i := range 100 {
		c.put(schemas.TopicRawLive, mad, messages(mad, ids(fmt.Sprint("m", i), 20)...))
	}
	c.put(schemas.TopicRawLive, other, messages(other, ids("o", 20)...))
	c.startAt(cfg, now)
	all := c.saidIn(mad, 101*20)
	last := 0
	for i, s := range all {
		if s.waba == other {
			last = i
		}
	}
	if last >= 3*20 {
		t.Errorf("the body of the business that has one waits for %d of the other's", last/20)
	}
}

// TestHistoryWaitsForTheDeferredRecordsOfItsBusiness: the account event that ends an onboarding is deferred behind a long body.
// The history that was received later must not count for the previous onboarding.
func TestHistoryWaitsForTheDeferredRecordsOfItsBusiness(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := c.config("a")
	cfg.Deferred.BodyBytesMax = 1 << 10
	c.run(cfg)
	now := time.Now()
	c.putAt(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 100, "m1"), now.Add(-time.Minute))
	c.read(schemas.TopicHistory, atLeast(1))
	for i := range 30 {
		c.putAt(schemas.TopicRawLive, "1", messages("1", ids(fmt.Sprint("l", i), 1000)...), now.Add(-2*time.Second))
	}
	c.putAt(schemas.TopicRawLive, "1", `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"account_update","value":{"event":"PARTNER_REMOVED","waba_info":{"waba_id":"1"}}}]}]}`, now.Add(-time.Second))
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 100, "m1"))
	var windows []int32
	for _, r := range c.read(schemas.TopicHistory, atLeast(2)) {
		var m schemas.Message
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		windows = append(windows, m.Sync.Window)
	}
	if !slices.Equal(windows, []int32{1, 2}) {
		t.Errorf("the message left in the windows %v; want one for each onboarding", windows)
	}
}

// TestEveryLiveEventOnceAndInOrderWhateverFails starts and stops two processors and lets commits fail, while bodies of
// every size exceed every budget.
func TestEveryLiveEventOnceAndInOrderWhateverFails(t *testing.T) {
	t.Parallel()
	t.Run("with room for all that waits", func(t *testing.T) {
		t.Parallel()
		everyLiveEventOnce(t, 100_000)
	})
	t.Run("without room", func(t *testing.T) {
		t.Parallel()
		everyLiveEventOnce(t, 3)
	})
}

func everyLiveEventOnce(t *testing.T, recordsMax int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed.Of(t), 1))
	c := newCluster(t)
	fail := failCommits(c.kfake, rng.Uint64())
	config := func(instance string) processors.Config {
		cfg := c.config(instance)
		cfg.Deferred.BodyBytesMax, cfg.Deferred.BusinessBytesMax, cfg.Deferred.RecordsMax = 4<<10, 8<<10, recordsMax
		return cfg
	}
	stops := [2]func(){c.run(config("a")), nil}
	want, total := map[string][]string{}, map[int32]int{}
	const bodies = 400
	for i := range bodies {
		waba := strconv.Itoa(100 + rng.IntN(6))
		n := 1
		if rng.IntN(5) == 0 {
			n = 1 + rng.IntN(600)
		}
		all := ids(fmt.Sprintf("%s.%d", waba, i), n)
		c.put(schemas.TopicRawLive, waba, messages(waba, all...))
		want[waba] = append(want[waba], all...)
		total[kafka.Partition([]byte(waba), partitions)] += n
		if i%(bodies/8) == bodies/16 {
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
	got := map[string][]string{}
	for waba := range want {
		if got[waba] == nil {
			for _, s := range c.saidIn(waba, total[kafka.Partition([]byte(waba), partitions)]) {
				got[s.waba] = append(got[s.waba], s.wamid)
			}
		}
	}
	for waba, w := range want {
		if !slices.Equal(got[waba], w) {
			t.Errorf("%s: %d messages, want %d in order; first difference at %d", waba, len(got[waba]), len(w), firstDifference(got[waba], w))
		}
	}
}

// TestAMissingDeferredRecordIsReported: one deferred record is behind the end of the log, and another offset has a
// record with another time of receipt. Later deferred records are processed.
func TestAMissingDeferredRecordIsReported(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	at := time.Now().Truncate(time.Millisecond)
	c.putAt(schemas.TopicRawLive, "1", messages("1", "there"), at)
	c.putAt(schemas.TopicRawLive, "1", messages("1", "last"), at)
	var q deferred.Queue
	for _, r := range []deferred.Record{
		{Offset: 500, ReceivedAt: at},
		{Offset: 0, ReceivedAt: at.Add(-time.Hour)},
		{Offset: 1, ReceivedAt: at},
	} {
		r.Topic = schemas.TopicRawLive
		q.Put([]byte("1"), r)
	}
	q.TakeState(func(key string, value []byte) {
		rec := &kgo.Record{Topic: schemas.TopicState.Name("coex."), Partition: kafka.Partition([]byte("1"), partitions), Key: []byte("q|" + key), Value: value}
		if err := c.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	})
	s := c.start(c.config("a"))
	if got := of("1", c.saidIn("1", 2)); !slices.Contains(got, "there") || !slices.Contains(got, "last") {
		t.Errorf("%v left", got)
	}
	eventually(t, "the two are told", func() bool { return s.value(t, "records_lost_total") == 2 })
}
