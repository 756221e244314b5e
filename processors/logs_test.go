package processors_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// lane is an input, with webhooks that each give one event with its number.
type lane struct {
	c      *cluster
	topic  schemas.Topic
	events schemas.Topic
	n      int // webhooks so far
	waba   string
}

func lanesOf(t *testing.T, run func(t *testing.T, l *lane)) {
	for _, topic := range schemas.Inputs() {
		t.Run(topic.String(), func(t *testing.T) {
			t.Parallel()
			l := &lane{c: twoBrokers(t), topic: topic, events: schemas.TopicEchoes, waba: atHome()}
			if topic == schemas.TopicRawBulk {
				l.events = schemas.TopicHistory
			}
			run(t, l)
		})
	}
}

// atHome is a business whose number's id belongs to its own partition: no note about it is written to `rerouted`.
func atHome() string {
	for i := 1; ; i++ {
		waba := strconv.Itoa(i)
		if kafka.Partition([]byte(waba), partitions) == kafka.Partition([]byte("9"+waba), partitions) {
			return waba
		}
	}
}

// twoBrokers is a cluster whose leaders can move.
func twoBrokers(t *testing.T) *cluster {
	t.Helper()
	var names []string
	for _, topic := range schemas.Topics() {
		names = append(names, topic.Name("coex."))
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(partitions, names...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &cluster{t: t, kfake: k, client: cl, addrs: k.ListenAddrs()}
}

func (l *lane) name() string     { return l.topic.Name("coex.") }
func (l *lane) partition() int32 { return kafka.Partition([]byte(l.waba), partitions) }

// put writes webhooks of one business.
func (l *lane) put(n int) {
	l.c.t.Helper()
	for range n {
		l.n++
		body := echo(l.waba, fmt.Sprintf("m%03d", l.n))
		if l.topic == schemas.TopicRawBulk {
			body = chunk(l.waba, 0, l.n, 1, fmt.Sprintf("m%03d", l.n))
		}
		l.c.put(l.topic, l.waba, body)
	}
}

// came expects that each webhook came out once, and no more.
func (l *lane) came(s *started) {
	l.c.t.Helper()
	var want []string
	for i := range l.n {
		want = append(want, fmt.Sprintf("m%03d", i+1))
	}
	got := wamids(l.c.read(l.events, atLeast(l.n)))
	// A duplicate would be in the transaction of the original, or after it.
	eventually(l.c.t, "nothing waits", func() bool { return s.value(l.c.t, "lag_records") == 0 && s.Ready() == nil })
	got = append(got, wamids(l.c.read(l.events, atLeast(l.n)))[len(got):]...)
	if !slices.Equal(got, want) {
		l.c.t.Errorf("out came %v, want %v", got, want)
	}
}

// committed is what the group committed of the lane's partition.
func (l *lane) committed() kadm.Offset {
	l.c.t.Helper()
	all, err := kadm.NewClient(l.c.client).FetchOffsets(l.c.t.Context(), "coexstream")
	if err != nil {
		l.c.t.Fatal(err)
	}
	o, _ := all.Lookup(l.name(), l.partition())
	return o.Offset
}

// read runs a processor until all webhooks were processed.
func (l *lane) readAll() {
	l.c.t.Helper()
	s := l.c.start(l.c.config("")) // a member without a name leaves the group
	l.c.committed(l.topic, l.waba, int64(l.n)-1)
	s.stop()
}

// commit commits an offset of the lane for the group, as if the log had gone so far.
func (l *lane) commit(o kadm.Offset) {
	l.c.t.Helper()
	os := kadm.Offsets{}
	os.Add(o)
	if err := kadm.NewClient(l.c.client).CommitAllOffsets(l.c.t.Context(), "coexstream", os); err != nil {
		l.c.t.Fatal(err)
	}
}

func (l *lane) reports(s *started, fault string, read, lost float64) {
	l.c.t.Helper()
	topic := l.topic.String()
	if n := s.value(l.c.t, "log_faults_total", topic, fault); n < 1 || s.value(l.c.t, "log_faults_total") != n {
		l.c.t.Errorf("%s was found %v times, faults %v", fault, n, s.value(l.c.t, "log_faults_total"))
	}
	if n := s.value(l.c.t, "read_records_gone_total", topic); n != read {
		l.c.t.Errorf("%v records were read and are gone, want %v", n, read)
	}
	if n := s.value(l.c.t, "records_lost_total", topic); n != lost {
		l.c.t.Errorf("%v records are lost, want %v", n, lost)
	}
	bulk := l.topic
	l.topic = schemas.TopicRawBulk
	m, ok := kafka.ParseMark(l.committed().Metadata)
	if l.topic = bulk; !ok || m.Fault == nil || m.Fault.Kind != fault || m.Fault.Topic != topic {
		l.c.t.Errorf("beside the committed offset stands %+v", m.Fault)
	}
}

// TestALogThatWasCutIsReadOnWithoutSkipping: the group's offset is beyond the end of the log. No record at a used
// offset is skipped, no event is emitted twice, and missing records are counted.
func TestALogThatWasCutIsReadOnWithoutSkipping(t *testing.T) {
	t.Parallel()
	lanesOf(t, func(t *testing.T, l *lane) {
		l.put(3)
		l.readAll()
		// The log went to 14, and ends at 3 now.
		o := l.committed()
		m, ok := kafka.ParseMark(o.Metadata)
		if !ok {
			t.Fatalf("no mark beside the offset: %q", o.Metadata)
		}
		for i := range m.Logs {
			if m.Logs[i].Topic == l.topic.String() {
				m.Logs[i].Next, m.Logs[i].End = 10, 14
			}
		}
		o.At, o.Metadata = 10, m.String()
		l.commit(o)
		l.put(2) // at 3 and 4
		s := l.c.start(l.c.config("a"))
		l.came(s)
		l.reports(s, kafka.FaultCut, 10-5, 14-10)
		if n := s.restarts(t); n != 0 {
			t.Errorf("%v sessions ended", n)
		}
		l.put(7) // beyond 10
		l.came(s)
		s.stop()
		s = l.c.start(l.c.config("a"))
		l.put(1)
		l.came(s)
		if n := s.value(t, "log_faults_total"); n != 0 {
			t.Errorf("the next processor found %v faults", n)
		}
	})
}

// TestALogThatIsCutBehindAnOlderVersionIsReadFromItsStart: its committed offset has no mark.
func TestALogThatIsCutBehindAnOlderVersionIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	lanesOf(t, func(t *testing.T, l *lane) {
		l.put(3)
		l.readAll()
		l.commit(kadm.Offset{Topic: l.name(), Partition: l.partition(), At: 10, LeaderEpoch: -1, Metadata: "member"})
		l.put(2)
		s := l.c.start(l.c.config("a"))
		l.came(s)
		l.reports(s, kafka.FaultCut, 10-5, 0)
	})
}

// TestATopicMadeAgainIsReadFromItsStart: the new log may be longer than the old one.
func TestATopicMadeAgainIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	again := func(t *testing.T, l *lane) {
		t.Helper()
		if err := l.c.kfake.DeleteTopic(l.name()); err != nil {
			t.Fatal(err)
		}
		if err := l.c.kfake.CreateTopic(l.name(), partitions, nil); err != nil {
			t.Fatal(err)
		}
		l.c.client.PurgeTopicsFromClient(l.name())
	}
	t.Run("while nobody is there", func(t *testing.T) {
		t.Parallel()
		lanesOf(t, func(t *testing.T, l *lane) {
			l.put(3)
			l.readAll()
			again(t, l)
			l.put(5)
			s := l.c.start(l.c.config("a"))
			l.came(s)
			l.reports(s, kafka.FaultRecreated, 3, 0)
		})
	})
	t.Run("and the old offset was committed once more", func(t *testing.T) {
		t.Parallel()
		lanesOf(t, func(t *testing.T, l *lane) {
			l.put(3)
			l.readAll()
			o := l.committed()
			again(t, l)
			o.TopicID = kadm.TopicID{}
			l.commit(o)
			l.put(5)
			s := l.c.start(l.c.config("a"))
			l.came(s)
			l.reports(s, kafka.FaultRecreated, 3, 0)
		})
	})
	t.Run("while it is read", func(t *testing.T) {
		t.Parallel()
		lanesOf(t, func(t *testing.T, l *lane) {
			l.put(3)
			s := l.c.start(l.c.config("a"))
			l.c.committed(l.topic, l.waba, 2)
			again(t, l)
			l.put(5)
			l.came(s)
			l.reports(s, kafka.FaultRecreated, 3, 0)
		})
	})
}

// parts makes the broker report that a partition diverges, at an offset, from the log of leader epoch 0, and elects
// another leader.
func (l *lane) parts(at int64) {
	l.c.t.Helper()
	l.c.kfake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		l.c.kfake.KeepControl()
		req := kreq.(*kmsg.OffsetForLeaderEpochRequest)
		if len(req.Topics) != 1 || req.Topics[0].Topic != l.name() || len(req.Topics[0].Partitions) != 1 ||
			req.Topics[0].Partitions[0].Partition != l.partition() || req.Topics[0].Partitions[0].LeaderEpoch != 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = l.name()
		rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		rp.Partition, rp.EndOffset, rp.LeaderEpoch = l.partition(), at, 0
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	if err := l.c.kfake.MoveTopicPartition(l.name(), l.partition(), 1-l.c.kfake.LeaderFor(l.name(), l.partition())); err != nil {
		l.c.t.Fatal(err)
	}
}

// TestALeaderThatWasBehindIsReadFromWhereItParts: the leader has other records at offsets that were read.
func TestALeaderThatWasBehindIsReadFromWhereItParts(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"elected while nobody is there": false, "elected while it is read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lanesOf(t, func(t *testing.T, l *lane) {
				l.put(5)
				s := l.c.start(l.c.config("a"))
				l.c.committed(l.topic, l.waba, 4)
				if !running {
					s.stop()
				}
				l.parts(2)
				if !running {
					s = l.c.start(l.c.config("a"))
				}
				eventually(t, "the fault is found", func() bool { return s.value(t, "log_faults_total") > 0 })
				l.put(3)
				l.came(s)
				l.reports(s, kafka.FaultCut, 5-2, 0)
				if n := s.restarts(t); n > 1 {
					t.Errorf("%v sessions ended", n)
				}
			})
		})
	}
}

// TestAForgottenOffsetIsTakenFromTheOtherInputs: the offset was deleted, or has expired alone.
func TestAForgottenOffsetIsTakenFromTheOtherInputs(t *testing.T) {
	t.Parallel()
	lanesOf(t, func(t *testing.T, l *lane) {
		if l.topic == schemas.TopicRerouted {
			t.Skip("raw.bulk and raw.live have all of it")
		}
		l.put(3)
		l.readAll()
		set := kadm.TopicsSet{}
		set.Add(l.name(), l.partition())
		if _, err := kadm.NewClient(l.c.client).DeleteOffsets(t.Context(), "coexstream", set); err != nil {
			t.Fatal(err)
		}
		if o := l.committed(); o.At > 0 {
			t.Fatalf("%+v", o)
		}
		s := l.c.start(l.c.config("a"))
		l.put(2)
		l.came(s)
		l.reports(s, kafka.FaultForgotten, 0, 0)
		if n := s.value(t, "records_total", l.topic.String()); n != 2 {
			t.Errorf("%v records were read, want 2", n)
		}
	})
}

// TestLostStateIsReported: the records of a partition of state are gone, and the group has offsets.
func TestLostStateIsReported(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	s := c.start(c.config("a"))
	c.committed(schemas.TopicRawLive, "1", 0)
	s.stop()
	c.remove(schemas.TopicState, "1", -1)
	s = c.start(c.config("a"))
	c.put(schemas.TopicRawLive, "1", echo("1", "e2"))
	c.read(schemas.TopicEchoes, atLeast(2))
	if n := s.value(t, "log_faults_total", "state", kafka.FaultStateLost); n != 1 || s.value(t, "log_faults_total") != 1 {
		t.Errorf("it was found %v times, faults %v", n, s.value(t, "log_faults_total"))
	}
	s.stop()
	s = c.start(c.config("a"))
	c.put(schemas.TopicRawLive, "1", echo("1", "e3"))
	c.read(schemas.TopicEchoes, atLeast(3))
	if n := s.value(t, "log_faults_total"); n != 0 {
		t.Errorf("the next processor found %v faults", n)
	}
}

// TestAHeldChunkIsNotTakenForAnother: the topic was created again, and has another chunk at the same offset.
func TestAHeldChunkIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	bulk := schemas.TopicRawBulk.Name("coex.")
	cfg := c.config("a")
	cfg.HeldBytesMax = 0
	s := c.start(cfg)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 2, 1, "m2"))
	c.committed(schemas.TopicRawBulk, "1", 0)
	s.stop()
	if err := c.kfake.DeleteTopic(bulk); err != nil {
		t.Fatal(err)
	}
	if err := c.kfake.CreateTopic(bulk, partitions, nil); err != nil {
		t.Fatal(err)
	}
	c.client.PurgeTopicsFromClient(bulk)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 5, 1, "m5"))
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 1, "m1"))
	s = c.start(cfg)
	c.committed(schemas.TopicRawBulk, "1", 1)
	eventually(t, "the chunk is told as missing", func() bool { return s.value(t, "sync_gaps") > 0 })
	eventually(t, "the gap is counted", func() bool { return s.value(t, "sync_gaps_total") > 0 })
	if got := wamids(c.read(schemas.TopicHistory, atLeast(1))); !slices.Equal(got, []string{"m1"}) {
		t.Errorf("history is %v", got)
	}
}
