package processors_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// remove removes the records before an offset, as retention does.
func (c *cluster) remove(topic schemas.Topic, waba string, before int64) {
	c.t.Helper()
	to := kadm.Offsets{}
	to.Add(kadm.Offset{Topic: topic.Name("coex."), Partition: kafka.Partition([]byte(waba), partitions), At: before})
	if _, err := kadm.NewClient(c.client).DeleteRecords(c.t.Context(), to); err != nil {
		c.t.Fatal(err)
	}
}

// TestRecordsThatRetentionRemovedUnreadAreCounted: both while no processor runs and while one cannot fetch. Records
// that were read before their removal do not count, and none counts twice.
func TestRecordsThatRetentionRemovedUnreadAreCounted(t *testing.T) {
	t.Parallel()
	for topic, body := range map[schemas.Topic]func(n int) string{
		schemas.TopicRawLive: func(n int) string { return echo("1", fmt.Sprintf("e%d", n)) },
		schemas.TopicRawBulk: func(n int) string { return chunk("1", 0, n, 10*n, fmt.Sprintf("m%d", n)) },
	} {
		t.Run(topic.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			next := 0
			put := func(n int) {
				for range n {
					next++
					c.put(topic, "1", body(next))
				}
			}
			lost := func(s *started, want float64) {
				t.Helper()
				if got := s.value(t, "records_lost_total", topic.String()); got != want {
					t.Errorf("%v records of %s are counted as lost, want %v", got, topic, want)
				}
				if got := s.value(t, "records_lost_total"); got != want {
					t.Errorf("%v records of all topics are counted as lost, want %v", got, want)
				}
			}
			s := c.start(c.config("a"))
			put(3)
			c.committed(topic, "1", 2)
			s.stop()
			c.remove(topic, "1", 3) // all of it was read
			s = c.start(c.config("a"))
			put(1)
			c.committed(topic, "1", 3)
			lost(s, 0)
			s.stop()

			put(4) // offsets 4 to 7
			c.remove(topic, "1", 6)
			s = c.start(c.config("a"))
			c.committed(topic, "1", 7)
			lost(s, 2)

			away := c.kfake.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic.Name("coex."), Partitions: []int32{kafka.Partition([]byte("1"), partitions)},
				Err: kerr.NotLeaderForPartition, Count: -1,
			})
			// The fetch that waited at the broker has ended when there is another one.
			if err := away.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			put(6) // offsets 8 to 13
			c.remove(topic, "1", 11)
			away.Remove()
			c.committed(topic, "1", 13)
			lost(s, 2+3)
			if n := s.restarts(t); n != 0 {
				t.Errorf("%v sessions ended", n)
			}
		})
	}
}

// TestRecordsRemovedBeforeTheFirstWasReadAreCounted: the group existed, but had not read any record.
func TestRecordsRemovedBeforeTheFirstWasReadAreCounted(t *testing.T) {
	t.Parallel()
	for topic, body := range map[schemas.Topic]string{
		schemas.TopicRawLive: echo("1", "e"), schemas.TopicRawBulk: chunk("1", 0, 1, 10, "m"), schemas.TopicRerouted: echo("1", "e"),
	} {
		t.Run(topic.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			put := func(n int) {
				for range n {
					c.put(topic, "1", body)
				}
			}
			put(2)
			c.remove(topic, "1", 2) // before there was a group
			s := c.start(c.config("a"))
			c.committed(topic, "1", 1)
			if got := s.value(t, "records_lost_total"); got != 0 {
				t.Errorf("%v records from before the group are counted as lost", got)
			}
			s.stop()
			put(4)
			c.remove(topic, "1", 5)
			s = c.start(c.config("a"))
			c.committed(topic, "1", 5)
			if got := s.value(t, "records_lost_total", topic.String()); got != 3 {
				t.Errorf("%v records are counted as lost, want 3", got)
			}
		})
	}
}

// TestAnAbortedTransactionIsNoLoss: its records are skipped, which leaves a gap.
func TestAnAbortedTransactionIsNoLoss(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.start(c.config("a"))
	other, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.TransactionalID("other"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 3 {
		if err := other.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: schemas.TopicRerouted.Name("coex."), Partition: kafka.Partition([]byte("1"), partitions), Key: []byte("1"), Value: []byte("aborted")}
		if err := other.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := other.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	}
	c.put(schemas.TopicRerouted, "1", echo("1", "e1"))
	c.committed(schemas.TopicRerouted, "1", 6)
	if got := s.value(t, "records_lost_total"); got != 0 {
		t.Errorf("%v records are counted as lost", got)
	}
}
