package e2e

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// segments counts the committed segments of bodies in raw.bulk, those that are a body's last one included.
func segments(t *testing.T, c *kafkacluster.Cluster, prefix string) (n int) {
	t.Helper()
	eachRecord(t, c, []string{schemas.TopicRawBulk.Name(prefix)}, kgo.ReadCommitted(), func(r *kgo.Record) {
		_, is, err := segment.Of(func(name string) []byte {
			for _, h := range r.Headers {
				if h.Key == name {
					return h.Value
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s/%d@%d: %v", r.Topic, r.Partition, r.Offset, err)
		}
		if is {
			n++
		}
	})
	return n
}

// The topics take 1 MiB, as those of managed clusters do, chunks have up to 3 MB, and a broker dies among the
// segments of some. A body of 3 MB takes long on a busy machine, also in the spool. Here each has more than ack_timeout's default; the
// faults in faults_test.go are about that time.
func TestSegmentsSurviveABrokerKilledUnderLoad(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2, "topics.max_message_bytes: 1MiB", "ingress.ack_timeout: 15s")
	s.up()
	l := s.load(world{seed: 21, businesses: 3, messages: 60000, live: 150, contact: 100, rate: 25,
		more: []string{"--chunk-bytes-min", "1500000", "--chunk-bytes-max", "3000000"}})
	s.underLoad(l, 20)
	until(t, "bodies are written in segments", func() bool { return segments(t, c, s.prefix) > 0 })
	const victim = 1
	if err := c.Broker(victim).Kill(); err != nil {
		t.Fatal(err)
	}
	before := segments(t, c, s.prefix)
	until(t, "segments are written while a broker is dead", func() bool { return segments(t, c, s.prefix) >= before+6 })
	if err := c.Broker(victim).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	inSync(t, c)
	l.finish()
	t.Logf("%d segments when the broker was killed, %d in the end", before, segments(t, c, s.prefix))
	log := tail(s.processors[0].log, 1000) + tail(s.processors[1].log, 1000)
	if strings.Contains(log, `"reason":"segments"`) {
		t.Errorf("a body could not be put together:\n%s", log)
	}
}
