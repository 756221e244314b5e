package publish

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas/segment"
)

const small = 256 << 10

func smallRecords(t *testing.T, partitions int32) *kfake.Cluster {
	t.Helper()
	c := rawtest.Cluster(t, 1, partitions)
	rawtest.SetMaxMessageBytes(t, c, small)
	return c
}

// noise makes bytes that cannot be compressed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// bodies returns the bodies that a reader of the raw topics gets, and the number of records in the topics.
func bodies(t *testing.T, brokers []string) (whole []*kgo.Record, records int) {
	t.Helper()
	for topic, partitions := range rawtest.Contents(t, brokers) {
		for i, log := range partitions {
			records += len(log)
			for _, r := range log {
				if len(r.Value) > small {
					t.Errorf("%s/%d@%d has %d bytes", topic, i, r.Offset, len(r.Value))
				}
			}
		}
	}
	conn := coexkafka.Connection{Brokers: brokers, ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second}
	reader, err := coexkafka.NewReader(conn, []string{rawtest.LiveTopic, rawtest.BulkTopic})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ranges, err := reader.Ranges(t.Context(), coexkafka.FromStart())
	if err != nil {
		t.Fatal(err)
	}
	err = reader.ReadRanges(t.Context(), ranges, func(r *kgo.Record) error {
		whole = append(whole, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return whole, records
}

// A body of any length is written, compressed or not, with and without the right to read max.message.bytes.
func TestBodyLongerThanARecordTravelsInSegments(t *testing.T) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, told %v", codec, told), func(t *testing.T) {
				c := smallRecords(t, 3)
				if !told {
					c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
				}
				p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.CompressionLive = codec })
				r := rawtest.Record("102290129340398", "")
				r.Value, r.Headers = noise(1, 3<<20), []raw.Header{{Key: "a", Value: []byte("b")}}
				for range 2 { // the second time, the limit is known
					if err := p.Publish(r, rawtest.In(time.Minute)); err != nil {
						t.Fatal(err)
					}
				}
				whole, _ := bodies(t, c.ListenAddrs())
				if len(whole) != 2 {
					t.Fatalf("%d bodies were read", len(whole))
				}
				for _, got := range whole {
					if !bytes.Equal(got.Value, r.Value) || !bytes.Equal(got.Key, r.Key) || len(got.Headers) != 1 || got.Headers[0].Key != "a" ||
						!got.Timestamp.Equal(r.Time.Truncate(time.Millisecond)) {
						t.Errorf("%d bytes, key %q, headers %v", len(got.Value), got.Key, got.Headers)
					}
				}
			})
		}
	}
}

// The longest records that are not cut into segments fit, alone and in a batch with others.
func TestWhatIsNotCutFits(t *testing.T) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		c := smallRecords(t, 1)
		p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.CompressionLive = codec })
		r := rawtest.Record("1", "")
		r.Value = noise(2, int(p.limits[0].Load())-r.Bytes())
		if err := p.Publish(r, rawtest.In(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var pubs []*publication
		for i := range 40 {
			pubs = append(pubs, p.publication(rawtest.Record("1", string(noise(uint64(i), 30<<10))), rawtest.In(time.Minute)))
		}
		p.pushAll(t, pubs)
		for _, pub := range pubs {
			if err := <-pub.done; err != nil {
				t.Fatal(err)
			}
		}
		if n := rawtest.Counter(t, p.reg, "coexstream_ingress_produce_errors_total", "kind", "too_large"); n != 0 {
			t.Errorf("%s: %v attempts failed", codec, n)
		}
		if whole, records := bodies(t, c.ListenAddrs()); len(whole) != 41 || records != 41 {
			t.Errorf("%s: %d bodies in %d records", codec, len(whole), records)
		}
	}
}

// For any outcome of the requests: acknowledged bodies can be read, and only sent bodies are there.
func TestSegmentsSurviveLostRequestsAndAnswers(t *testing.T) {
	for seed := range uint64(6) {
		c := smallRecords(t, 1)
		rng, fate := rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3)) // of the test, and of the broker's goroutine
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if fate.IntN(4) == 0 { // the request or its answer is lost
				return nil, errors.New("cut"), true
			}
			return nil, nil, false
		})
		p := publisher(t, c.ListenAddrs(), nil)
		sent, acknowledged := map[string]bool{}, map[string]bool{}
		for i := range 8 {
			r := rawtest.Record("1", string(noise(uint64(i), 100<<10+rng.IntN(1<<20))))
			sent[string(r.Value)] = true
			if err := p.Publish(r, rawtest.In(time.Duration(20+rng.IntN(400))*time.Millisecond)); err == nil {
				acknowledged[string(r.Value)] = true
			}
		}
		p.stop()
		whole, _ := bodies(t, c.ListenAddrs())
		for _, r := range whole {
			if !sent[string(r.Value)] {
				t.Errorf("seed %d: %d bytes were read that nobody sent", seed, len(r.Value))
			}
			delete(acknowledged, string(r.Value))
		}
		if len(acknowledged) > 0 {
			t.Errorf("seed %d: %d acknowledged bodies are missing", seed, len(acknowledged))
		}
	}
}

// A request without an answer is written late: behind its repetition, the segments that follow it, and another body. Both
// bodies are read unchanged. The first one is read twice when the late request has its last segment.
func TestSegmentThatIsWrittenAgainBehindTheNextBodyBreaksNone(t *testing.T) {
	const count = 3
	for late := range count {
		t.Run(fmt.Sprintf("segment %d of %d", late, count), func(t *testing.T) {
			c := smallRecords(t, 1)
			p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.ProduceTimeout = 300 * time.Millisecond })
			both := make(chan struct{})
			var requests atomic.Int64
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if requests.Add(1) == int64(late)+1 {
					c.SleepControl(func() { <-both })
				}
				return nil, nil, false
			})
			first, second := rawtest.Record("1", string(noise(1, 600<<10))), rawtest.Record("1", string(noise(2, 600<<10)))
			for _, r := range []*raw.Record{first, second} {
				if err := p.Publish(r, rawtest.In(time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			before := length(t, c)
			close(both)
			rawtest.WaitFor(t, "the late request", func() bool { return length(t, c) > before })
			s, _, err := segment.Of(func(name string) []byte {
				return []byte(rawtest.RecordHeader(rawtest.Contents(t, c.ListenAddrs())[rawtest.LiveTopic][0][before], name))
			})
			if err != nil || s.Index != late || s.Count != count {
				t.Fatalf("segment %d of %d was written late: %v", s.Index, s.Count, err)
			}
			whole, _ := bodies(t, c.ListenAddrs())
			var got []string
			for _, r := range whole {
				switch string(r.Value) {
				case string(first.Value):
					got = append(got, "first")
				case string(second.Value):
					got = append(got, "second")
				default:
					t.Errorf("%d bytes were read that nobody sent", len(r.Value))
				}
			}
			want := []string{"first", "second"}
			if late == count-1 {
				want = append(want, "first")
			}
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("read %v, want %v", got, want)
			}
		})
	}
}

// Segments without their last one are not read as a body.
func TestPublisherThatDiesLeavesNothingToRead(t *testing.T) {
	c := smallRecords(t, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	r := rawtest.Record("1", strings.Repeat("x", 600<<10))
	g := segment.Cut(segment.NewID(1, 2), r.Value, 200<<10)
	for i := range g.Count() - 1 {
		part := *r
		part.Value = g.Value(i)
		for _, h := range g.Headers(i) {
			part.Headers = append(part.Headers, raw.Header(h))
		}
		if err := p.Publish(&part, rawtest.In(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if whole, records := bodies(t, c.ListenAddrs()); len(whole) != 0 || records != 2 {
		t.Errorf("%d bodies in %d records", len(whole), records)
	}
}
