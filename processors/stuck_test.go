package processors_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/schemas"
)

func notReady(s *started, says string) func() bool {
	return func() bool {
		err := s.Ready()
		return err != nil && strings.Contains(err.Error(), says)
	}
}

// TestAProcessorThatIsStuckIsNotReadyAndLags: processing of one body does not end, and the session's loop is blocked.
func TestAProcessorThatIsStuckIsNotReadyAndLags(t *testing.T) {
	t.Parallel()
	for topic, body := range map[schemas.Topic]string{schemas.TopicRawLive: echo("1", "e1"), schemas.TopicRawBulk: chunk("1", 0, 1, 100, "m1")} {
		t.Run(topic.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			clock := &jumpingClock{}
			cfg := c.config("a")
			cfg.TickEvery = time.Hour // it would not look at its lag, either
			s := c.startAt(cfg, clock.Now)
			eventually(t, "it is ready", func() bool { return s.Ready() == nil })
			held, letGo := c.holdProduce()
			began := time.Now()
			c.put(topic, "1", body)
			await(t, "it works", held)
			if err := s.Ready(); err != nil {
				t.Error(err)
			}
			clock.ahead.Store(int64(2 * time.Minute))
			why := s.Ready()
			seconds := []float64{s.value(t, "stalled_seconds"), s.value(t, "lag_seconds", topic.String())}
			if said := regexp.MustCompile(`have waited for (\S+) without progress; processing ` + regexp.QuoteMeta(topic.String())).FindStringSubmatch(fmt.Sprint(why)); said == nil {
				t.Errorf("it says %v", why)
			} else if d, err := time.ParseDuration(said[1]); err != nil {
				t.Error(err)
			} else {
				seconds = append(seconds, d.Seconds())
			}
			most := 120 + time.Since(began).Seconds() + 1 // rounded
			for i, n := range seconds {
				if n < 120 || n > most {
					t.Errorf("%s is %v s, want 120 to %v", []string{"the stall", "the lag", "the wait that it tells"}[i], n, most)
				}
			}
			if n := s.value(t, "lag_records", topic.String()); n != 1 {
				t.Errorf("%v records wait", n)
			}
			letGo()
			eventually(t, "it is ready again", func() bool { return s.Ready() == nil })
			eventually(t, "nothing waits", func() bool { return s.value(t, "lag_seconds") == 0 })
		})
	}
}

// TestABodyThatFailsEachTransactionIsReported: sessions fail and restore in turn, while other partitions make
// progress.
func TestABodyThatFailsEachTransactionIsReported(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	clock := &jumpingClock{}
	s := c.startAt(c.config("a"), clock.Now)
	eventually(t, "it is ready", func() bool { return s.Ready() == nil })
	refused := c.kfake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: schemas.TopicEchoes.Name("coex."),
		Partitions: []int32{kafka.Partition([]byte("1"), partitions)}, Err: kerr.InvalidRecord, Count: -1})
	// The next session does not begin while the test looks. It would set the body aside after some failures.
	held, letGo := c.holdRequest(kmsg.InitProducerID, func(kmsg.Request) bool { return s.restarts(t) >= 1 })
	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	await(t, "the next session begins", held)
	if n := s.restarts(t); n != 1 {
		t.Errorf("%v sessions failed", n)
	}
	clock.ahead.Store(int64(2 * time.Minute))
	if !notReady(s, "without progress")() {
		t.Errorf("it says %v", s.Ready())
	}
	if n := s.value(t, "stalled_seconds"); n < 120 {
		t.Errorf("it is stalled for %v s", n)
	}
	if n := s.value(t, "lag_seconds", "raw.live"); n < 120 {
		t.Errorf("it lags by %v s", n)
	}
	refused.Remove()
	letGo()
	c.read(schemas.TopicEchoes, atLeast(1))
	eventually(t, "it is ready again", func() bool { return s.Ready() == nil })
}

// TestARecordOfTheStateThatCannotBeReadBlocksItsPartitionAlone: other partitions are served, and no record of the
// blocked one is skipped or read again. With set_aside the record is ignored, and stays in the log.
func TestARecordOfTheStateThatCannotBeReadBlocksItsPartitionAlone(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]struct{ key, value string }{
		"an unknown kind":        {"z|what", `{"v":9}`},
		"a value that is broken": {"n|1/91", `{`},
		"a version to come":      {"h|1/91|n", `{"v":7}`},
		"a number that is none":  {"h|1", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			partition, state := kafka.Partition([]byte("1"), partitions), schemas.TopicState.Name("coex.")
			other := "2"
			for i := '3'; kafka.Partition([]byte(other), partitions) == partition; i++ {
				other = string(i)
			}
			c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
			s := c.start(c.config("a"))
			c.committed(schemas.TopicRawLive, "1", 0)
			s.stop()
			if err := c.client.ProduceSync(t.Context(), &kgo.Record{Topic: state, Partition: partition, Key: []byte(bad.key), Value: []byte(bad.value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			c.put(schemas.TopicRawLive, "1", echo("1", "e2"))
			c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 100, "m1"))

			s = c.start(c.config("a"))
			c.put(schemas.TopicRawLive, other, echo(other, "o1"))
			c.committed(schemas.TopicRawLive, other, 0)
			eventually(t, "it says which record it is", notReady(s, state+"/"))
			if err := s.Ready().Error(); !strings.Contains(err, bad.key) || !strings.Contains(err, "1 of 4 partitions are not served") {
				t.Errorf("it says %s", err)
			}
			if n := s.value(t, "blocked_partitions"); n != 1 {
				t.Errorf("%v partitions are blocked", n)
			}
			eventually(t, "its lag is told", func() bool {
				return s.value(t, "lag_records", "raw.live") == 1 && s.value(t, "lag_records", "raw.bulk") == 1
			})
			c.put(schemas.TopicRawLive, other, echo(other, "o2"))
			c.committed(schemas.TopicRawLive, other, 1)
			if n := s.restarts(t); n != 0 {
				t.Errorf("%v sessions ended", n)
			}
			s.stop()

			cfg := c.config("a")
			cfg.UnknownState = processors.StateSetAside
			s = c.start(cfg)
			c.committed(schemas.TopicRawLive, "1", 1)
			eventually(t, "it is ready", func() bool { return s.Ready() == nil })
			got := wamids(c.read(schemas.TopicEchoes, atLeast(4)))
			slices.Sort(got)
			if !slices.Equal(got, []string{"e1", "e2", "o1", "o2"}) {
				t.Errorf("out came %v", got)
			}
			if n := s.value(t, "state_records_set_aside_total"); n != 1 {
				t.Errorf("%v records were set aside", n)
			}
		})
	}
}

// Lost records of the state are rebuilt from emitted events if possible. The partition continues and reports the loss.
func TestMissingStateRecordsAreReportedAndThePartitionContinues(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	partition, state := kafka.Partition([]byte("1"), partitions), schemas.TopicState.Name("coex.")
	for i := range 3 {
		c.put(schemas.TopicRawBulk, "1", chunk("1", 0, i+1, 10, fmt.Sprintf("m%d", i+1)))
	}
	s := c.start(c.config("a"))
	c.committed(schemas.TopicRawBulk, "1", 2)
	s.stop()
	var page string
	for _, r := range c.read(schemas.TopicState, atLeast(1)) {
		if strings.HasPrefix(string(r.Key), "h|1/91|k/1/") && r.Value != nil {
			page = string(r.Key)
		}
	}
	if page == "" {
		t.Fatal("no page of known messages is in the state")
	}
	if err := c.client.ProduceSync(t.Context(), &kgo.Record{Topic: state, Partition: partition, Key: []byte(page)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for again := range 2 {
		again := int64(again) + 3
		s = c.start(c.config("a"))
		// Messages that left stand in a chunk of other bytes, too.
		c.put(schemas.TopicRawBulk, "1", chunk("1", 0, int(again)+1, 20, "m1", "m2", "m3", "m4"))
		eventually(t, "it is ready", func() bool { return s.Ready() == nil })
		c.read(schemas.TopicHistory, atLeast(4))
		c.committed(schemas.TopicRawBulk, "1", again)
		if n := s.value(t, "log_faults_total", "state", "state_incomplete"); n != 1 && page != "" || n != 0 && page == "" {
			t.Errorf("%v faults are told", n)
		}
		page = "" // once
		s.stop()
	}
	if got := wamids(c.read(schemas.TopicHistory, atLeast(4))); !slices.Equal(got, []string{"m1", "m2", "m3", "m4"}) {
		t.Errorf("history is %v", got)
	}
}
