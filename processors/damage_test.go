package processors_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/schemas"
)

// Places in a batch.
const (
	batchLength  = 8
	batchMagic   = 16
	batchRecords = 61
)

// damage changes a byte of the batch at an offset in the files of the running broker. mend changes it back.
func damage(t *testing.T, dir, topic string, partition int32, offset int64, at int) (mend func()) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "partitions", fmt.Sprintf("%s-%d", topic, partition), "*.dat"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of the partition: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	place := 0
	for int64(binary.BigEndian.Uint64(b[place:])) != offset {
		place += 12 + int(binary.BigEndian.Uint32(b[place+batchLength:]))
	}
	place += at
	flip := func() {
		t.Helper()
		f, err := os.OpenFile(files[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		one := make([]byte, 1)
		if _, err := f.ReadAt(one, int64(place)); err != nil {
			t.Fatal(err)
		}
		one[0] ^= 0x55
		if _, err := f.WriteAt(one, int64(place)); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	return flip
}

// another is a WABA of another partition than "1".
func another() string {
	for i := '2'; ; i++ {
		if kafka.Partition([]byte(string(i)), partitions) != kafka.Partition([]byte("1"), partitions) {
			return string(i)
		}
	}
}

func (s *started) waitsAt(t *testing.T, topic schemas.Topic, offset int64, blocked float64) {
	t.Helper()
	place := fmt.Sprintf("%s/%d@%d", topic.Name("coex."), kafka.Partition([]byte("1"), partitions), offset)
	eventually(t, "it names the batch", notReady(s, place))
	if got := s.value(t, "damaged_batches", topic.String()); got != 1 {
		t.Errorf("%v damaged batches of %s", got, topic)
	}
	if got := s.value(t, "blocked_partitions"); got != blocked {
		t.Errorf("%v partitions are not served, want %v", got, blocked)
	}
}

// served waits until nothing is damaged any more.
func (s *started) served(t *testing.T) {
	t.Helper()
	eventually(t, "it is ready again", func() bool { return s.Ready() == nil })
	if damaged, blocked := s.value(t, "damaged_batches"), s.value(t, "blocked_partitions"); damaged != 0 || blocked != 0 {
		t.Errorf("%v batches are damaged, %v partitions not served", damaged, blocked)
	}
}

func TestADamagedLiveBatchBlocksItsPartitionAlone(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"records": batchRecords, "length": batchLength, "magic": batchMagic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := newCluster(t, kfake.DataDir(dir))
			for i := range 4 {
				c.put(schemas.TopicRawLive, "1", echo("1", fmt.Sprint("e", i)))
			}
			mend := damage(t, dir, "coex.raw.live", kafka.Partition([]byte("1"), partitions), 2, at)
			s := c.start(c.config("a"))
			c.committed(schemas.TopicRawLive, "1", 1) // those before the batch
			s.waitsAt(t, schemas.TopicRawLive, 2, 1)
			other := another()
			for i := range 3 {
				c.put(schemas.TopicRawLive, other, echo(other, fmt.Sprint("o", i)))
				c.committed(schemas.TopicRawLive, other, int64(i))
			}
			if n := s.restarts(t); n != 0 {
				t.Errorf("%v sessions ended", n)
			}
			mend()
			c.committed(schemas.TopicRawLive, "1", 3)
			s.served(t)
			if got := len(c.read(schemas.TopicEchoes, atLeast(7))); got != 7 {
				t.Errorf("%d echoes, want 7", got)
			}
		})
	}
}

// The client steps over a batch with a wrong magic byte. The processor looks at the gap; the answer may be late.
func TestAGapThatCannotBeReadIsNotPassed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCluster(t, kfake.DataDir(dir))
	for i := range 4 {
		c.put(schemas.TopicRawLive, "1", echo("1", fmt.Sprint("e", i)))
	}
	mend := damage(t, dir, "coex.raw.live", kafka.Partition([]byte("1"), partitions), 2, batchMagic)
	looks, letGo := c.holdLooks()
	s := c.start(c.config("a"))
	<-looks
	time.Sleep(2 * time.Second) // longer than a look may take
	letGo()
	s.waitsAt(t, schemas.TopicRawLive, 2, 1)
	mend()
	c.committed(schemas.TopicRawLive, "1", 3)
	s.served(t)
	if got := len(c.read(schemas.TopicEchoes, atLeast(4))); got != 4 {
		t.Errorf("%d echoes, want 4", got)
	}
}

// holdLooks delays all fetches of a single batch until letGo is called. looks is closed at the first.
func (c *cluster) holdLooks() (looks chan struct{}, letGo func()) {
	looks = make(chan struct{})
	gone := make(chan struct{})
	var begun, over sync.Once
	letGo = func() { over.Do(func() { close(gone) }) }
	c.t.Cleanup(letGo)
	c.kfake.ControlKey(int16(kmsg.Fetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.kfake.KeepControl()
		for _, topic := range kreq.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				if p.PartitionMaxBytes == 1 {
					begun.Do(func() { close(looks) })
					c.kfake.SleepControl(func() { <-gone })
					return nil, nil, false
				}
			}
		}
		return nil, nil, false
	})
	return looks, letGo
}

// Each transaction on rerouted ends with a marker, which stands between the last record and a damaged batch.
func TestADamagedBatchBehindAMarkerBlocksItsPartition(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"records": batchRecords, "magic": batchMagic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := newCluster(t, kfake.DataDir(dir))
			for i := range 3 {
				c.commit(schemas.TopicRerouted, "1", echo("1", fmt.Sprint("e", i)))
			}
			mend := damage(t, dir, "coex.rerouted", kafka.Partition([]byte("1"), partitions), 2, at)
			s := c.start(c.config("a"))
			s.waitsAt(t, schemas.TopicRerouted, 2, 1)
			mend()
			c.committed(schemas.TopicRerouted, "1", 4)
			s.served(t)
			if got := len(c.read(schemas.TopicEchoes, atLeast(3))); got != 3 {
				t.Errorf("%d echoes, want 3", got)
			}
		})
	}
}

// commit writes a raw record in a transaction of its own.
func (c *cluster) commit(topic schemas.Topic, waba, body string) {
	c.t.Helper()
	p, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.TransactionalID("before"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer p.Close()
	if err := p.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	if err := p.ProduceSync(c.t.Context(), rawRecord(topic, waba, body, time.Now())).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
	if err := p.EndTransaction(c.t.Context(), kgo.TryCommit); err != nil {
		c.t.Fatal(err)
	}
}

func TestADamagedBatchOfTheStateBlocksItsPartitionAlone(t *testing.T) {
	t.Parallel()
	for _, topic := range []schemas.Topic{schemas.TopicState, schemas.TopicContacts} {
		t.Run(topic.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := newCluster(t, kfake.DataDir(dir))
			partition := kafka.Partition([]byte("1"), partitions)
			c.put(schemas.TopicRawLive, "1", `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"smb_app_state_sync","value":{"metadata":{"phone_number_id":"91"},"state_sync":[{"type":"contact","action":"add","contact":{"full_name":"N","phone_number":"16505550100"},"metadata":{"timestamp":"1739230955"}}]}}]}]}`)
			s := c.start(c.config("a"))
			c.committed(schemas.TopicRawLive, "1", 0)
			s.stop()
			mend := damage(t, dir, topic.Name("coex."), partition, 0, batchRecords)
			c.put(schemas.TopicRawLive, "1", echo("1", "e2"))
			s = c.start(c.config("a"))
			s.waitsAt(t, topic, 0, 1)
			other := another()
			c.put(schemas.TopicRawLive, other, echo(other, "o1"))
			c.committed(schemas.TopicRawLive, other, 0)
			mend()
			c.committed(schemas.TopicRawLive, "1", 1)
			s.served(t)
			if n := s.restarts(t); n != 0 {
				t.Errorf("%v sessions ended", n)
			}
		})
	}
}

// A new group polls the record of a partition at once, before it finds that the state is damaged. Commits of other partitions must
// not pass that record.
func TestARecordThatWasPolledBeforeItsPartitionWasBlockedIsProcessedAfterTheRepair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCluster(t, kfake.DataDir(dir))
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	former := c.config("a")
	former.GroupID = "former"
	s := c.start(former)
	c.read(schemas.TopicEchoes, atLeast(1))
	s.stop()
	mend := damage(t, dir, "coex.state", kafka.Partition([]byte("1"), partitions), 0, batchRecords)
	s = c.start(c.config("a"))
	s.waitsAt(t, schemas.TopicState, 0, 1)
	other := another()
	c.put(schemas.TopicRawLive, other, echo(other, "o1"))
	c.committed(schemas.TopicRawLive, other, 0)
	mend()
	c.committed(schemas.TopicRawLive, "1", 0)
	s.served(t)
}

func TestLiveMessagesContinueBesideADamagedBatchOfTheBacklog(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"records": batchRecords, "length": batchLength} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := newCluster(t, kfake.DataDir(dir))
			for i := range 4 {
				c.put(schemas.TopicRawBulk, "1", chunk("1", 0, i+1, 50, fmt.Sprint("m", i)))
			}
			mend := damage(t, dir, "coex.raw.bulk", kafka.Partition([]byte("1"), partitions), 2, at)
			s := c.start(c.config("a"))
			c.committed(schemas.TopicRawBulk, "1", 1)
			s.waitsAt(t, schemas.TopicRawBulk, 2, 0)
			other := another()
			for i, waba := range []string{"1", "1", other} {
				c.put(schemas.TopicRawLive, waba, echo(waba, fmt.Sprint("e", i)))
			}
			c.committed(schemas.TopicRawLive, "1", 1)
			c.put(schemas.TopicRawBulk, other, chunk(other, 0, 1, 100, "o1"))
			c.committed(schemas.TopicRawBulk, other, 0)
			mend()
			c.committed(schemas.TopicRawBulk, "1", 3)
			s.served(t)
			if n := s.restarts(t); n != 0 {
				t.Errorf("%v sessions ended", n)
			}
			if got := len(c.read(schemas.TopicHistory, atLeast(5))); got != 5 {
				t.Errorf("%d messages, want 5", got)
			}
		})
	}
}

// The embedded broker is damaged while it runs, and repairs itself at its next start.
func TestAProcessorContinuesBehindTheQuarantineOfTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	cfg := embedded.DefaultConfig(t.TempDir())
	addrs, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.SyncWrites = addrs[0], false
	open := func() *embedded.Broker {
		t.Helper()
		b, err := embedded.Open(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() }) // once more does nothing
		return b
	}
	b := open()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &cluster{t: t, client: client, addrs: []string{b.Addr()}}
	var names []string
	for _, topic := range schemas.Topics() {
		names = append(names, topic.Name("coex."))
	}
	if _, err := kadm.NewClient(client).CreateTopics(t.Context(), partitions, 1, nil, names...); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		c.put(schemas.TopicRawLive, "1", echo("1", fmt.Sprint("e", i)))
		c.put(schemas.TopicRawBulk, "1", chunk("1", 0, i+1, 50, fmt.Sprint("m", i)))
	}
	partition := kafka.Partition([]byte("1"), partitions)
	damage(t, cfg.Dir, "coex.raw.live", partition, 2, batchRecords)
	damage(t, cfg.Dir, "coex.raw.bulk", partition, 1, batchRecords)
	s := c.start(c.config("a"))
	s.waitsAt(t, schemas.TopicRawLive, 2, 1)
	s.stop() // both restart together, as in up
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	open()
	s = c.start(c.config("a"))
	c.committed(schemas.TopicRawLive, "1", 3)
	c.committed(schemas.TopicRawBulk, "1", 3)
	s.served(t)
	var got []string
	for _, r := range append(c.read(schemas.TopicEchoes, atLeast(3)), c.read(schemas.TopicHistory, atLeast(1))...) {
		got = append(got, wamid(r))
	}
	if want := []string{"e0", "e1", "e3", "m0"}; !slices.Equal(got, want) { // m2 and m3 wait for the gap at m1
		t.Errorf("%v came, want %v", got, want)
	}
	list, err := embedded.Quarantined(cfg.Dir)
	if err != nil || len(list) != 2 || !list[0].Lost || !list[1].Lost {
		t.Errorf("in quarantine: %+v, %v", list, err)
	}
}

// A chunk was held, and its batch was damaged since. One session ends because of it. The next one serves live messages.
func TestLiveMessagesContinueBesideADamagedHeldChunk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCluster(t, kfake.DataDir(dir))
	cfg := c.config("a")
	cfg.HeldBytesMax = 0
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 50, "m2"))
	s := c.start(cfg)
	c.committed(schemas.TopicRawBulk, "1", 0)
	mend := damage(t, dir, "coex.raw.bulk", kafka.Partition([]byte("1"), partitions), 0, batchRecords)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 50, "m1"))
	s.waitsAt(t, schemas.TopicRawBulk, 0, 0)
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	c.committed(schemas.TopicRawLive, "1", 0)
	if n := s.restarts(t); n != 1 {
		t.Errorf("%v sessions ended", n)
	}
	mend()
	rs := c.read(schemas.TopicHistory, atLeast(2))
	if len(rs) != 2 || wamid(rs[0]) != "m1" || wamid(rs[1]) != "m2" {
		t.Errorf("%d messages", len(rs))
	}
	s.served(t)
}
