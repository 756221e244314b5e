package processors_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

const smallRecord = 256 << 10

// smallCluster takes records of 256 KiB.
func smallCluster(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t)
	most := strconv.Itoa(smallRecord)
	var names []string
	for _, topic := range schemas.Topics() {
		names = append(names, topic.Name("coex."))
	}
	res, err := kadm.NewClient(c.client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &most}}, names...)
	for _, r := range res {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// segments writes a body as the ingress does where it is too long for a record. each is called after each segment,
// and stops the writing when it is false.
func (c *cluster) segments(topic schemas.Topic, waba, body string, each func(offset int64) bool) {
	c.t.Helper()
	stop := errors.New("killed")
	err := kafka.WriteSegments([]byte(body), 200<<10, func(value []byte, place []segment.Header) (int64, error) {
		r := &kgo.Record{
			Topic: topic.Name("coex."), Partition: kafka.Partition([]byte(waba), partitions), Key: []byte(waba), Value: value,
			Headers: []kgo.RecordHeader{{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, time.Now().UnixMilli(), 10)}},
		}
		for _, h := range place {
			r.Headers = append(r.Headers, kgo.RecordHeader(h))
		}
		got, err := c.client.ProduceSync(c.t.Context(), r).First()
		if err == nil && each != nil && !each(got.Offset) {
			err = stop
		}
		return got.Offset, err
	})
	if err != nil && !errors.Is(err, stop) {
		c.t.Fatal(err)
	}
}

// committed waits until the group has read past an offset.
func (c *cluster) committed(topic schemas.Topic, waba string, offset int64) {
	c.t.Helper()
	adm, p := kadm.NewClient(c.client), kafka.Partition([]byte(waba), partitions)
	deadline := time.Now().Add(3 * time.Minute)
	for {
		os, err := adm.FetchOffsets(c.t.Context(), "coexstream")
		if o, ok := os.Lookup(topic.Name("coex."), p); err == nil && ok && o.At > offset {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s/%d: offset %d is not passed: %v", topic, p, offset, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// whole reads a topic as our own readers do.
func (c *cluster) whole(topic schemas.Topic) (got []*kgo.Record) {
	c.t.Helper()
	conn := kafka.Connection{Brokers: c.addrs, ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second}
	r, err := kafka.NewReader(conn, []string{topic.Name("coex.")})
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Close()
	ranges, err := r.Ranges(c.t.Context(), kafka.FromStart())
	if err == nil {
		err = r.ReadRanges(c.t.Context(), ranges, func(rec *kgo.Record) error {
			got = append(got, rec)
			return nil
		})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return got
}

// noise is text that hardly becomes shorter by compression.
func noise(seed uint64, n int) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rng.IntN(64)]
	}
	return string(b)
}

// long is a chunk that is longer than a record, with its messages in order.
func long(waba string, phase, order, progress, messages int) (string, []string) {
	var ids []string
	for i := range messages {
		ids = append(ids, fmt.Sprintf("m%d.%d.%04d", phase, order, i))
	}
	i := uint64(0)
	return regexp.MustCompile(`"body":"b"`).ReplaceAllStringFunc(chunk(waba, phase, order, progress, ids...), func(string) string {
		i++
		return `"body":"` + noise(i, 1500) + `"`
	}), ids
}

func wamids(rs []*kgo.Record) (ids []string) {
	for _, r := range rs {
		ids = append(ids, wamid(r))
	}
	return ids
}

// A processor that ends after any segment is followed by another one; a writer that died, and one that writes at
// the same time, have theirs in between; the last segment comes twice; and a held body is read again.
func TestSegmentedBodiesAreProcessedOnceWhereverOneStops(t *testing.T) {
	t.Parallel()
	c := smallCluster(t)
	second, ids2 := long("1", 0, 2, 100, 300)
	first, ids1 := long("1", 0, 1, 50, 300)
	stop := c.run(c.config("a"))
	life := 0
	next := func(topic schemas.Topic, offset int64) {
		c.committed(topic, "1", offset)
		stop()
		life++
		stop = c.run(c.config("a"))
	}
	c.segments(schemas.TopicRawBulk, "1", second, func(int64) bool { return len(ids2) == 0 }) // died after its first
	var lasts []int64
	for _, body := range []string{second, first} {
		n := 0
		c.segments(schemas.TopicRawBulk, "1", body, func(offset int64) bool {
			if n++; n == 2 {
				c.put(schemas.TopicRawBulk, "1", chunk("1", 9, n, 1, "other"))
				c.segments(schemas.TopicRawBulk, "1", second, func(int64) bool { return n > 2 })
			}
			next(schemas.TopicRawBulk, offset)
			lasts = append(lasts, offset)
			return true
		})
	}
	c.segments(schemas.TopicRawBulk, "1", first, nil) // once more, as a sender does that heard nothing
	want := append(slices.Clone(ids1), ids2...)
	if got := wamids(c.read(schemas.TopicHistory, atLeast(len(want)))); !slices.Equal(got, want) {
		t.Errorf("%d events, want %d in order", len(got), len(want))
	}
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 3, 100, "end"))
	if got := wamids(c.read(schemas.TopicHistory, atLeast(len(want)+1))); got[len(want)] != "end" {
		t.Errorf("after the chunks comes %.20q", got[len(want)])
	}
	if dead := c.whole(schemas.TopicDLQ); len(dead) > 0 {
		t.Errorf("%d dead letters: %v", len(dead), dead[0].Headers)
	}
	stop()
	t.Logf("%d lives, segments up to %d", life, lasts[len(lasts)-1])
}

// TestLongDeadLettersAndReroutedPartsTravelInSegments: readers join what the processor wrote in segments.
func TestLongDeadLettersAndReroutedPartsTravelInSegments(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("told %v", told), func(t *testing.T) {
			t.Parallel()
			c := smallCluster(t)
			if !told {
				c.kfake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
			}
			broken := "{" + noise(1, 2<<20)
			c.segments(schemas.TopicRawLive, "1", broken, nil)
			// A chunk of a business of another partition, in a body that is keyed by the first.
			far := ""
			for n := 2; far == ""; n++ {
				if w := strconv.Itoa(n); kafka.Partition([]byte(w), partitions) != kafka.Partition([]byte("1"), partitions) {
					far = w
				}
			}
			part, ids := long(far, 0, 1, 100, 400)
			c.segments(schemas.TopicRawBulk, "1", part, nil)
			c.segments(schemas.TopicRawLive, "1", body("1", "unheard_of", `"x":"`+noise(2, 1<<20)+`"`), nil)
			cfg := c.config("a")
			c.run(cfg)
			if got := wamids(c.read(schemas.TopicHistory, atLeast(len(ids)))); !slices.Equal(got, ids) {
				t.Errorf("%d events, want %d in order", len(got), len(ids))
			}
			for deadline := time.Now().Add(3 * time.Minute); len(c.whole(schemas.TopicDLQ)) < 2; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d letters, %d other", len(c.whole(schemas.TopicDLQ)), len(c.whole(schemas.TopicOther)))
				}
			}
			for _, r := range c.whole(schemas.TopicDLQ) {
				reason := ""
				for _, h := range r.Headers {
					if h.Key == schemas.HeaderDLQReason {
						reason = string(h.Value)
					}
					if segment.Names(h.Key) {
						t.Errorf("a whole letter has %s", h.Key)
					}
				}
				if reason == string(schemas.ReasonEventTooLong) {
					if !bytes.Contains(r.Value, []byte("unheard_of")) || len(r.Value) < 1<<20 {
						t.Errorf("the letter of a long event has %d bytes", len(r.Value))
					}
					continue
				}
				if string(r.Value) != broken || reason != string(schemas.ReasonJSONInvalid) {
					t.Errorf("a letter has %d bytes, reason %s", len(r.Value), reason)
				}
			}
			if rs := slices.DeleteFunc(c.whole(schemas.TopicRerouted), func(r *kgo.Record) bool { return r.Value == nil }); len(rs) != 1 || len(rs[0].Value) < smallRecord {
				t.Errorf("%d parts were rerouted", len(rs))
			}
		})
	}
}

// A body with a lost or damaged segment gives a dead letter. Later records are processed.
func TestBodyThatCannotBePutTogetherIsADeadLetter(t *testing.T) {
	t.Parallel()
	c := smallCluster(t)
	long, _ := long("1", 0, 1, 100, 300)
	var first int64 = -1
	c.segments(schemas.TopicRawBulk, "1", long, func(offset int64) bool {
		if first < 0 {
			first = offset
		}
		return true
	})
	to := kadm.Offsets{}
	to.Add(kadm.Offset{Topic: schemas.TopicRawBulk.Name("coex."), Partition: kafka.Partition([]byte("1"), partitions), At: first + 1})
	if _, err := kadm.NewClient(c.client).DeleteRecords(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 100, "after"))
	c.run(c.config("a"))
	if got := wamids(c.read(schemas.TopicHistory, atLeast(1))); got[0] != "after" {
		t.Errorf("history is %.40q", got)
	}
	dead := c.read(schemas.TopicDLQ, atLeast(1))
	headers := map[string]string{}
	for _, h := range dead[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	if headers[schemas.HeaderDLQReason] != string(schemas.ReasonSegments) || !strings.HasSuffix(headers[schemas.HeaderDLQSegment], " 2/3") ||
		headers[schemas.HeaderDLQOffset] != "2" || headers[schemas.HeaderSegmentID] != "" {
		t.Errorf("letter: %v", headers)
	}
}

// TestAHeldChunkInSegmentsBesideAnotherOne: the last segment of a body is in the batch of a held chunk that is read again
// before it. It is a segment there, too, and no body.
func TestAHeldChunkInSegmentsBesideAnotherOne(t *testing.T) {
	t.Parallel()
	c := smallCluster(t)
	cfg := c.config("a")
	cfg.HeldBytesMax = 0
	s := c.start(cfg)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ManualFlushing())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	record := func(value []byte) *kgo.Record {
		return &kgo.Record{
			Topic: schemas.TopicRawBulk.Name("coex."), Partition: kafka.Partition([]byte("1"), partitions), Key: []byte("1"), Value: value,
			Headers: []kgo.RecordHeader{{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, time.Now().UnixMilli(), 10)}},
		}
	}
	third, want := long("1", 0, 3, 100, 200)
	before := record([]byte(chunk("1", 0, 2, 60, "m2")))
	err = kafka.WriteSegments([]byte(third), 200<<10, func(value []byte, place []segment.Header) (int64, error) {
		r := record(value)
		var last bool
		for _, h := range place {
			r.Headers = append(r.Headers, kgo.RecordHeader(h))
			last = last || h.Key == schemas.HeaderSegmentOffsets
		}
		var failed error
		keep := func(_ *kgo.Record, err error) { failed = errors.Join(failed, err) }
		if last {
			cl.Produce(t.Context(), before, keep)
		}
		cl.Produce(t.Context(), r, keep)
		err := cl.Flush(t.Context())
		return r.Offset, errors.Join(err, failed)
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are held", func() bool { return s.value(t, "events_total", "syncs") > 0 })
	c.committed(schemas.TopicRawBulk, "1", before.Offset+1)
	c.put(schemas.TopicRawBulk, "1", chunk("1", 0, 1, 30, "m1"))
	want = append([]string{"m1", "m2"}, want...)
	if got := wamids(c.read(schemas.TopicHistory, atLeast(len(want)))); !slices.Equal(got, want) {
		t.Errorf("%d messages of history are not the %d that were sent, in their order", len(got), len(want))
	}
	if n := s.value(t, "events_total", "dlq"); n != 0 {
		t.Errorf("%v dead letters", n)
	}
}
