package kafka

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// segmentsOf writes bodies to partition 0 of a topic that takes records of 256 KiB, the last one without its last
// segment, and returns the offsets of all records.
func segmentsOf(t *testing.T, conn Connection, topic string, bodies ...[]byte) {
	t.Helper()
	cl, err := kgo.NewClient(append(conn.Franz(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(20<<20),
		kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	stop := errors.New("killed")
	for i, body := range bodies {
		_, err := Segmented(body, 1<<20, func(value []byte, place []segment.Header) (int64, error) {
			r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: value, Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("b")}}}
			for _, h := range place {
				r.Headers = append(r.Headers, kgo.RecordHeader(h))
			}
			if i == len(bodies)-1 && len(place) > 3 {
				return 0, stop
			}
			got, err := cl.ProduceSync(t.Context(), r).First()
			return got.Offset, err
		})
		if err != nil && !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
}

func TestBodiesInSegmentsAreReadWhole(t *testing.T) {
	conn := cluster(t)
	layout := testLayout()
	layout.MaxMessageBytes = 256 << 10
	if _, err := newAdmin(t, conn).Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	topic := "test.raw.bulk"
	body := func(b byte) []byte { return bytes.Repeat([]byte{b}, 700<<10) }
	segmentsOf(t, conn, topic, body('x'), []byte("short"), body('y'), body('z'))
	r := newReader(t, conn, topic)
	ranges, err := r.Ranges(t.Context(), FromStart())
	if err != nil {
		t.Fatal(err)
	}
	p := TopicPartition{topic, 0}
	// Wherever reading begins, a body is there with its last segment.
	var all []int64
	for start := ranges[p].Start; start <= ranges[p].End; start++ {
		var got []int64
		err := r.ReadRanges(t.Context(), map[TopicPartition]Range{p: {start, ranges[p].End}}, func(rec *kgo.Record) error {
			got = append(got, rec.Offset)
			if n := len(rec.Value); n != 5 && !bytes.Equal(rec.Value, body('x')) && !bytes.Equal(rec.Value, body('y')) {
				t.Errorf("%d bytes that begin with %q", n, rec.Value[:1])
			}
			if len(rec.Headers) > 1 && rec.Headers[0].Key == "a" && segment.Names(rec.Headers[1].Key) && len(rec.Value) != 5 {
				t.Errorf("headers %v", rec.Headers)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if start == ranges[p].Start {
			all = got
		}
		if want := slices.DeleteFunc(slices.Clone(all), func(o int64) bool { return o < start }); !slices.Equal(got, want) {
			t.Errorf("from %d: bodies at %v, want %v", start, got, want)
		}
	}
	if len(all) != 3 {
		t.Errorf("bodies at %v", all)
	}
}

func TestSegmentsThatAreMissingOrDoNotFitAreTold(t *testing.T) {
	conn := topicsFor(t)
	r := newReader(t, conn, "test.raw.bulk")
	produce(t, conn, "test.raw.bulk", 0, 3)
	last := func(offsets string) *kgo.Record {
		h := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
		return &kgo.Record{Topic: "test.raw.bulk", Offset: 100, Value: []byte("x"), Headers: []kgo.RecordHeader{
			h(schemas.HeaderSegmentID, "i"), h(schemas.HeaderSegmentIndex, "1"), h(schemas.HeaderSegmentCount, "2"),
			h(schemas.HeaderSegmentBytes, "2"), h(schemas.HeaderSegmentChecksum, "00000000"), h(schemas.HeaderSegmentOffsets, offsets),
		}}
	}
	for offsets, want := range map[string]error{"50": ErrOffsetGone, "1": segment.ErrInvalid, "100": segment.ErrInvalid, "": segment.ErrInvalid} {
		rec := last(offsets)
		got, err := r.fetcher.Whole(t.Context(), rec, nil)
		if !errors.Is(err, want) || !Unreadable(err) || got != rec {
			t.Errorf("offsets %q: %v", offsets, err)
		}
	}
}
