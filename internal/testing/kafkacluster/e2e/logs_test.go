package e2e

import (
	"context"
	bigendian "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/schemas"
)

// lane is one partition of raw.live, with webhooks of one business that give an event each.
type lane struct {
	s         *stage
	c         *kafkacluster.Cluster
	adm       *kadm.Client
	processor *program
	waba      string
	partition int32
	n         int // webhooks so far
}

func newLane(t *testing.T, c *kafkacluster.Cluster, s *stage, partition int32) *lane {
	t.Helper()
	adm, err := c.Admin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // other tests wait for all partitions of the cluster, with a broker killed
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		topics, err := adm.ListTopics(ctx)
		if err == nil {
			names := slices.DeleteFunc(topics.Names(), func(name string) bool { return !strings.HasPrefix(name, s.prefix) })
			_, err = adm.DeleteTopics(ctx, names...)
		}
		if err != nil {
			t.Errorf("the topics stay: %v", err)
		}
		adm.Close()
	})
	l := &lane{s: s, c: c, adm: adm, partition: partition}
	for i := 1; l.waba == "" || kafka.Partition([]byte(l.waba), partitions) != partition; i++ {
		l.waba = strconv.Itoa(i)
	}
	return l
}

func (l *lane) topic() string { return schemas.TopicRawLive.Name(l.s.prefix) }

func (l *lane) begin() {
	l.s.t.Helper()
	l.processor = l.s.start("processor", "process", "--instance-id", "processor-0")
	l.processor.awaitReady()
}

// put writes webhooks, each in a batch of its own.
func (l *lane) put(n int) {
	l.s.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(l.c.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		l.s.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(l.s.t.Context(), patience)
	defer cancel()
	for range n {
		l.n++
		body := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":%q,"changes":[{"field":"smb_message_echoes","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"9%s"},"message_echoes":[{"from":"15550100","to":"15550199","id":"m%03d","timestamp":"1772366400","type":"text","text":{"body":"x"}}]}}]}]}`, l.waba, l.waba, l.n)
		r := &kgo.Record{Topic: l.topic(), Partition: l.partition, Key: []byte(l.waba), Value: []byte(body),
			Headers: []kgo.RecordHeader{{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, time.Now().UnixMilli(), 10)}}}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			l.s.t.Fatal(err)
		}
	}
}

// came waits until all webhooks came out, and fails where one did twice.
func (l *lane) came() {
	l.s.t.Helper()
	var got []string
	until(l.s.t, fmt.Sprintf("%d webhooks came out", l.n), func() bool {
		got = got[:0]
		eachRecord(l.s.t, l.c, []string{schemas.TopicEchoes.Name(l.s.prefix)}, kgo.ReadCommitted(), func(r *kgo.Record) {
			var m schemas.Message
			if err := json.Unmarshal(r.Value, &m); err != nil {
				l.s.t.Fatal(err)
			}
			got = append(got, m.WAMID)
		})
		return len(got) >= l.n
	}, func() { l.s.t.Logf("%d came out: %v", len(got), got) })
	slices.Sort(got)
	for i := range l.n {
		if i >= len(got) || got[i] != fmt.Sprintf("m%03d", i+1) || len(got) != l.n {
			l.s.t.Fatalf("out came %v, want m001 to m%03d once each", got, l.n)
		}
	}
}

// told expects the reports of the processor and the doctor about a fault.
func (l *lane) told(fault, says string, read float64) {
	l.s.t.Helper()
	label := fmt.Sprintf("fault=%q", fault)
	if n := l.processor.metric("coexstream_processor_log_faults_total", label, `topic="raw.live"`); n < 1 || n != l.processor.metric("coexstream_processor_log_faults_total") {
		l.s.t.Errorf("%s was told %v times, of %v faults", fault, n, l.processor.metric("coexstream_processor_log_faults_total"))
	}
	if n := l.processor.metric("coexstream_processor_read_records_gone_total"); n != read {
		l.s.t.Errorf("%v records were read and are gone, want %v", n, read)
	}
	until(l.s.t, "the processor is ready", func() bool { _, err := l.processor.get("/readyz"); return err == nil })
	if out, _, code := l.s.run("doctor", "--only", "lag"); code != 3 || !strings.Contains(out, "a processor found it "+says) {
		l.s.t.Errorf("doctor: exit code %d\n%s", code, out)
	}
}

// TestTopicDeletedAndMadeAgain while a processor reads it: its new log becomes longer than the old one was.
func TestTopicDeletedAndMadeAgain(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.must("topics", "create")
	l := newLane(t, c, s, 2)
	l.begin()
	l.put(10)
	l.came()
	if _, err := l.adm.DeleteTopic(t.Context(), l.topic()); err != nil {
		t.Fatal(err)
	}
	until(t, "the topic is made again", func() bool { _, _, code := s.run("topics", "create"); return code == 0 })
	l.put(15)
	l.came()
	l.told("recreated", "created again", 10)
	l.put(5)
	l.came()
	l.processor.stop()
}

// inLog calls do with a replica's log, and the place of the first batch that begins at an offset or behind it.
func inLog(t *testing.T, folder string, offset int64, do func(f *os.File, at int64) error) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(folder, "00000000000000000000.log"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // do tells
	var at int64
	for {
		var head [12]byte // base offset, and the length of the rest
		if _, err := f.ReadAt(head[:], at); errors.Is(err, io.EOF) {
			t.Fatalf("%s ends before offset %d", folder, offset)
		} else if err != nil {
			t.Fatal(err)
		}
		if int64(bigendian.BigEndian.Uint64(head[:])) >= offset {
			break
		}
		at += int64(len(head)) + int64(bigendian.BigEndian.Uint32(head[8:]))
	}
	if err := do(f, at); err != nil {
		t.Fatal(err)
	}
}

// cut cuts a replica's log so that it ends at an offset.
func cut(t *testing.T, folder string, end int64) {
	t.Helper()
	inLog(t, folder, end, func(f *os.File, at int64) error { return f.Truncate(at) })
}

// flip changes a byte of the records of a batch.
func flip(t *testing.T, folder string, offset int64) {
	t.Helper()
	inLog(t, folder, offset, func(f *os.File, at int64) error {
		const records = 61
		one := make([]byte, 1)
		if _, err := f.ReadAt(one, at+records); err != nil {
			return err
		}
		one[0] ^= 0x55
		_, err := f.WriteAt(one, at+records)
		return err
	})
}

// TestBatchDamaged: the disk of a leader changes a byte of a batch that waits for a processor. Its partition waits alone, and continues
// with the batch of an intact replica.
func TestBatchDamaged(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.must("topics", "create")
	l := newLane(t, c, s, 2)
	other := *l
	for other.waba, other.partition = "1", 2; other.partition == 2; {
		other.waba += "1"
		other.partition = kafka.Partition([]byte(other.waba), partitions)
	}
	l.put(6)
	replicas := l.replicas() // the leader first
	leader := c.Broker(int(replicas[0]))
	flip(t, leader.LogDir(l.topic(), l.partition), 3)
	l.processor = s.start("processor", "process", "--instance-id", "processor-0")
	place := fmt.Sprintf("%s/%d@3", l.topic(), l.partition)
	until(t, "the processor names the batch", func() bool {
		body, err := l.processor.get("/readyz")
		return strings.Contains(string(body), place) || err != nil && strings.Contains(err.Error(), place)
	})
	if n := l.processor.metric("coexstream_processor_damaged_batches", `topic="raw.live"`); n != 1 {
		t.Errorf("%v batches are damaged", n)
	}
	other.n = l.n
	other.put(2)
	l.n = 5 // those before the batch, and of the other partition
	got := 0
	until(t, "others are served", func() bool {
		got = 0
		eachRecord(t, c, []string{schemas.TopicEchoes.Name(s.prefix)}, kgo.ReadCommitted(), func(*kgo.Record) { got++ })
		return got >= l.n
	}, func() { t.Logf("%d came out", got) })
	if n := l.processor.metric("coexstream_processor_session_restarts_total"); n != 0 {
		t.Errorf("%v sessions ended", n)
	}
	if err := leader.Stop(); err != nil { // another replica leads
		t.Fatal(err)
	}
	l.awaitLeaders()
	l.n = 8
	l.came()
	if err := os.RemoveAll(leader.LogDir(l.topic(), l.partition)); err != nil {
		t.Fatal(err)
	}
	if err := leader.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.awaitLeaders()
	until(t, "the processor is ready", func() bool { _, err := l.processor.get("/readyz"); return err == nil })
	l.processor.stop()
}

// TestLogCut: a broker comes back with less of the only copy than it had, while a processor reads it, and new webhooks take
// the offsets that were read.
func TestLogCut(t *testing.T) {
	for name, running := range map[string]bool{"while it is read": true, "while nobody is there": false} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t)
			s := newStage(t, c.Addrs(), 1, 1)
			s.must("topics", "create")
			l := newLane(t, c, s, 1)
			l.begin()
			l.put(12)
			l.came()
			if !running {
				l.processor.stop()
			}
			b := c.Broker(int(l.replicas()[0]))
			if err := b.Kill(); err != nil {
				t.Fatal(err)
			}
			cut(t, b.LogDir(l.topic(), l.partition), 4)
			if err := b.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.awaitLeaders()
			l.put(3)
			if !running {
				l.begin()
			}
			l.came()
			l.told("cut", "cut", 12-4)
			l.put(9) // beyond the offset that was read
			l.came()
			l.processor.stop()
		})
	}
}

// TestUncleanElection: the only replica that is left was behind. It holds other records at offsets that were read, and more
// of them.
func TestUncleanElection(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	l := newLane(t, c, s, 3)
	// Two copies, either of which may lead alone; all else is as safe as ever.
	least, unclean := "1", "true"
	if _, err := l.adm.CreateTopic(t.Context(), partitions, 2, map[string]*string{"min.insync.replicas": &least, "unclean.leader.election.enable": &unclean}, l.topic()); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := s.run("topics", "create"); code != 0 { // it may report the difference
		t.Logf("topics create: exit code %d\n%s%s", code, out, errs)
	}
	l.awaitLeaders()
	l.begin()
	l.put(5)
	l.came()
	replicas := l.replicas() // the leader first
	behind, leader := c.Broker(int(replicas[1])), c.Broker(int(replicas[0]))
	if err := behind.Stop(); err != nil {
		t.Fatal(err)
	}
	l.put(7)
	l.came()
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := behind.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.awaitLeaders()
	l.put(9) // at 5 to 13; it was read to 12
	l.came()
	l.told("cut", "cut", 12-5)
	if err := leader.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.awaitLeaders()
	l.put(3)
	l.came()
	l.processor.stop()
}

// replicas are those of the lane's partition, the leader first.
func (l *lane) replicas() []int32 {
	l.s.t.Helper()
	topics, err := l.adm.ListTopics(l.s.t.Context(), l.topic())
	if err != nil {
		l.s.t.Fatal(err)
	}
	p := topics[l.topic()].Partitions[l.partition]
	all := []int32{p.Leader}
	for _, r := range p.Replicas {
		if r != p.Leader {
			all = append(all, r)
		}
	}
	return all
}

func (l *lane) awaitLeaders() {
	l.s.t.Helper()
	ctx, cancel := context.WithTimeout(l.s.t.Context(), patience)
	defer cancel()
	if err := l.c.AwaitLeaders(ctx, l.topic()); err != nil {
		l.s.t.Fatal(err)
	}
}
