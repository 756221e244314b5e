package processors_test

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/schemas"
)

// fetched is a hook of the Kafka client that reports when a record of a topic is buffered.
type fetched struct {
	topic string
	skip  int32 // number of records that are not reported
	seen  atomic.Int32
	waits chan struct{}
}

// OnFetchRecordBuffered implements kgo.HookFetchRecordBuffered.
func (f *fetched) OnFetchRecordBuffered(r *kgo.Record) {
	if r.Topic == f.topic && !r.Attrs.IsControl() && f.seen.Add(1) == f.skip+1 {
		close(f.waits)
	}
}

// holdFetch delays the next fetch of a partition from an offset until letGo is called. held is closed at its arrival.
// The broker takes one hold for a request (two of them race in it), so anyPartition is one hold, too.
func (c *cluster) holdFetch(topic string, partition int32, offset int64) (held chan struct{}, letGo func()) {
	c.t.Helper()
	id := c.kfake.TopicInfo(topic).TopicID
	held = make(chan struct{})
	gone := make(chan struct{})
	var taken, over sync.Once
	letGo = func() { over.Do(func() { close(gone) }) }
	c.t.Cleanup(letGo)
	c.kfake.ControlKey(int16(kmsg.Fetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		from := func(p kmsg.FetchRequestTopicPartition) bool {
			return (p.Partition == partition || partition == anyPartition) && p.FetchOffset == offset
		}
		if !slices.ContainsFunc(kreq.(*kmsg.FetchRequest).Topics, func(t kmsg.FetchRequestTopic) bool {
			return (t.Topic == topic || t.TopicID == id) && slices.ContainsFunc(t.Partitions, from)
		}) {
			return nil, nil, false
		}
		first := false
		taken.Do(func() { first = true })
		if !first {
			return nil, nil, false
		}
		close(held)
		c.kfake.SleepControl(func() { <-gone })
		return nil, nil, false
	})
	return held, letGo
}

const anyPartition = -1

// holdProduce delays the next produce request of a transaction until it is released. held is closed at its arrival.
func (c *cluster) holdProduce() (held chan struct{}, letGo func()) {
	c.t.Helper()
	return c.holdRequest(kmsg.Produce, func(kreq kmsg.Request) bool { return kreq.(*kmsg.ProduceRequest).TransactionID != nil })
}

// holdRequest delays the next of these requests until it is released. held is closed at its arrival.
func (c *cluster) holdRequest(key kmsg.Key, these func(kmsg.Request) bool) (held chan struct{}, letGo func()) {
	c.t.Helper()
	held = make(chan struct{})
	gone := make(chan struct{})
	var taken, over sync.Once
	letGo = func() { over.Do(func() { close(gone) }) }
	c.t.Cleanup(letGo)
	c.kfake.ControlKey(int16(key), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		if !these(kreq) {
			return nil, nil, false
		}
		first := false
		taken.Do(func() { first = true })
		if first {
			close(held)
			c.kfake.SleepControl(func() { <-gone })
		}
		return nil, nil, false
	})
	return held, letGo
}

// offsets are those of one partition that a transaction commits, by topic.
type offsets map[string]int64

// commits returns the offsets that transactions commit from now on.
func (c *cluster) commits(partition int32, topics ...string) (told func() []offsets) {
	var mu sync.Mutex
	var all []offsets
	ids := map[[16]byte]string{}
	for _, topic := range topics {
		ids[c.kfake.TopicInfo(topic).TopicID] = topic
	}
	c.kfake.ControlKey(int16(kmsg.TxnOffsetCommit), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		one := offsets{}
		for _, t := range kreq.(*kmsg.TxnOffsetCommitRequest).Topics {
			name := t.Topic
			if name == "" {
				name = ids[t.TopicID]
			}
			for _, p := range t.Partitions {
				if p.Partition == partition {
					one[name] = p.Offset
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, one)
		return nil, nil, false
	})
	return func() []offsets {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// TestLiveRecordsDuringBulkWorkJoinItsTransaction: an echo that arrives while a transaction processes history
// is committed by that transaction. The test sends it while a held chunk is read again.
//
// A record that the hook has reported may not be ready to be polled yet. Then the next transaction commits it, which is
// also correct, but must not happen every time.
func TestLiveRecordsDuringBulkWorkJoinItsTransaction(t *testing.T) {
	t.Parallel()
	for range 5 {
		if joined := echoWhileBulkIsWorkedOn(t); joined || t.Failed() {
			return
		}
	}
	t.Error("the transaction that worked on the first chunk never committed the echo")
}

func echoWhileBulkIsWorkedOn(t *testing.T) (joined bool) {
	t.Helper()
	c := newCluster(t)
	live, bulk := schemas.TopicRawLive.Name("coex."), schemas.TopicRawBulk.Name("coex.")
	partition := kafka.Partition([]byte("1"), partitions)
	cfg := c.config("a")
	cfg.HeldBytesMax = 0      // held chunks are read again
	cfg.TickEvery = time.Hour // no transactions of its own, and nothing is done ahead while they are ended
	echoes := &fetched{topic: live, waits: make(chan struct{})}
	p := c.start(cfg, kgo.WithHooks(echoes))
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 100, "m2"))
	eventually(t, "the second chunk is held", func() bool { return p.value(t, "events_total", "syncs") > 0 })

	commits := c.commits(partition, live, bulk)
	held, letGo := c.holdFetch(bulk, partition, 0)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 50, "m1"))
	await(t, "the held chunk is read again", held)
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	await(t, "the echo waits to be polled", echoes.waits)
	letGo()

	if got := wamids(c.read(schemas.TopicEchoes, atLeast(1))); !slices.Equal(got, []string{"e1"}) {
		t.Errorf("echoes are %v", got)
	}
	if got := wamids(c.read(schemas.TopicHistory, atLeast(2))); !slices.Equal(got, []string{"m1", "m2"}) {
		t.Errorf("history is %v", got)
	}
	all := commits()
	first := slices.IndexFunc(all, func(o offsets) bool { return o[bulk] == 2 })
	if first < 0 {
		t.Errorf("no transaction commits the first chunk: %v", all)
		return false
	}
	p.stop()
	return all[first][live] == 1
}

func await(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(3 * time.Minute):
		t.Fatalf("waited in vain: %s", what)
	}
}

// TestLiveRecordsBeforeTheAcknowledgementOfBulkJoinItsTransaction: an echo that arrives before the history of a
// transaction is acknowledged is committed by that transaction.
func TestLiveRecordsBeforeTheAcknowledgementOfBulkJoinItsTransaction(t *testing.T) {
	t.Parallel()
	for range 5 {
		if joined := echoWhileBulkIsAcknowledged(t); joined || t.Failed() {
			return
		}
	}
	t.Error("the transaction of the chunk never committed the echo")
}

func echoWhileBulkIsAcknowledged(t *testing.T) (joined bool) {
	t.Helper()
	c := newCluster(t)
	live, bulk := schemas.TopicRawLive.Name("coex."), schemas.TopicRawBulk.Name("coex.")
	partition := kafka.Partition([]byte("1"), partitions)
	cfg := c.config("a")
	cfg.TickEvery = time.Hour
	echoes := &fetched{topic: live, skip: 1, waits: make(chan struct{})}
	p := c.startWith(cfg, processors.Deps{Now: standingClock(), ClientOptions: []kgo.Opt{kgo.WithHooks(echoes)}})
	c.put(schemas.TopicRawLive, "1", echo("1", "e1")) // from now on live messages are expected
	eventually(t, "the first echo is out", func() bool { return p.value(t, "events_total", "echoes") > 0 })

	commits := c.commits(partition, live, bulk)
	held, letGo := c.holdProduce()
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 100, "m1"))
	await(t, "the chunk's events are sent", held)
	c.put(schemas.TopicRawLive, "1", echo("1", "e2"))
	await(t, "the second echo waits to be polled", echoes.waits)
	letGo()

	if got := wamids(c.read(schemas.TopicEchoes, atLeast(2))); !slices.Equal(got, []string{"e1", "e2"}) {
		t.Errorf("echoes are %v", got)
	}
	if got := wamids(c.read(schemas.TopicHistory, atLeast(1))); !slices.Equal(got, []string{"m1"}) {
		t.Errorf("history is %v", got)
	}
	all := commits()
	first := slices.IndexFunc(all, func(o offsets) bool { return o[bulk] == 1 })
	if first < 0 {
		t.Errorf("no transaction commits the chunk: %v", all)
		return false
	}
	p.stop()
	return all[first][live] == 2
}

// TestLiveDoesNotWaitForAHeldChunkToBeRead: while live messages are expected, a held chunk is prefetched outside of
// transactions. An echo that arrives meanwhile is committed first.
func TestLiveDoesNotWaitForAHeldChunkToBeRead(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	bulk := schemas.TopicRawBulk.Name("coex.")
	partition := kafka.Partition([]byte("1"), partitions)
	cfg := c.config("a")
	cfg.HeldBytesMax = 0
	p := c.startAt(cfg, standingClock())
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 100, "m2"))
	eventually(t, "the second chunk is held", func() bool { return p.value(t, "events_total", "syncs") > 0 })
	c.put(schemas.TopicRawLive, "1", echo("1", "e1")) // from now on live messages are expected
	c.read(schemas.TopicEchoes, atLeast(1))

	held, letGo := c.holdFetch(bulk, partition, 0)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 50, "m1"))
	await(t, "the held chunk is read again", held)
	c.put(schemas.TopicRawLive, "1", echo("1", "e2"))
	if got := wamids(c.read(schemas.TopicEchoes, atLeast(2))); !slices.Equal(got, []string{"e1", "e2"}) {
		t.Errorf("echoes are %v", got)
	}
	if n := p.value(t, "events_total", "history"); n != 1 {
		t.Errorf("with the second chunk not read yet, %v events of history are out", n)
	}
	letGo()
	if got := wamids(c.read(schemas.TopicHistory, atLeast(2))); !slices.Equal(got, []string{"m1", "m2"}) {
		t.Errorf("history is %v", got)
	}
}

// TestATransactionWithNothingInItIsNotEnded: time passes while the backlog has not been fetched and there is no other
// work. A coordinator rejects the end of an empty transaction, including one with offsets of no partition.
func TestATransactionWithNothingInItIsNotEnded(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	bulk := schemas.TopicRawBulk.Name("coex.")
	var businesses []string // one for each partition
	for i := 1; len(businesses) < partitions; i++ {
		b := strconv.Itoa(i)
		if !slices.ContainsFunc(businesses, func(o string) bool {
			return kafka.Partition([]byte(o), partitions) == kafka.Partition([]byte(b), partitions)
		}) {
			businesses = append(businesses, b)
			c.put(schemas.TopicRawBulk, b, chunk(b, 0, 1, 50, "m"+b))
		}
	}
	var ticks, empty atomic.Int32
	c.kfake.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		ticks.Add(1)
		return nil, nil, false
	})
	c.kfake.ControlKey(int16(kmsg.TxnOffsetCommit), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		n := 0
		for _, t := range kreq.(*kmsg.TxnOffsetCommitRequest).Topics {
			n += len(t.Partitions)
		}
		if n == 0 {
			empty.Add(1)
		}
		return nil, nil, false
	})
	// The processor sends a broker one request for the backlog at a time: while it waits, no partition is fetched.
	held, letGo := c.holdFetch(bulk, anyPartition, 0)
	c.start(c.config("a"))
	await(t, "the backlog is asked for", held)
	before := ticks.Load()
	eventually(t, "time has passed several times", func() bool { return ticks.Load() > before+10 })
	letGo()
	c.read(schemas.TopicHistory, atLeast(partitions))
	if n := empty.Load(); n > 0 {
		t.Errorf("%d transactions had offsets of no partition", n)
	}
}
