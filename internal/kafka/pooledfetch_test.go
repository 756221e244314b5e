package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

const pooledTopic = "test.raw.bulk"

// compressible returns a value that differs from those of other batches at every place in it.
func compressible(batch, record int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d/%d ", batch, record), 2000)
}

// batches writes batches of three records each, compressed.
func batches(t *testing.T, conn Connection, codec kgo.CompressionCodec, n int) {
	t.Helper()
	cl, err := kgo.NewClient(append(conn.Franz(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codec),
		kgo.ManualFlushing())...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for b := range n {
		for r := range 3 {
			cl.Produce(t.Context(), &kgo.Record{Topic: pooledTopic, Key: fmt.Append(nil, b, r), Value: compressible(b, r),
				Headers: []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, b, r)}}}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		if err := cl.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPooledFetchReturnsTheRecordsOfAPlainFetch, and a clone of it outlives it, while its memory is used for other batches.
func TestPooledFetchReturnsTheRecordsOfAPlainFetch(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			conn := topicsFor(t)
			const n = 20
			batches(t, conn, codec, n)
			f := newReader(t, conn, pooledTopic).fetcher
			var clones []*kgo.Record
			before, within := 0, 0
			for offset := range int64(3 * n) {
				pooled, err := f.FetchPooled(t.Context(), pooledTopic, 0, offset)
				if err != nil {
					t.Fatal(err)
				}
				got, err := f.Fetch(t.Context(), pooledTopic, 0, offset, 1, 0)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Records) == before-1 { // a batch is fetched from its middle
					within++
				}
				if before = len(got.Records); !slices.EqualFunc(pooled.Records, got.Records, equal) || before == 0 {
					t.Fatalf("from %d: %d records are pooled, %d fetched, or others", offset, len(pooled.Records), len(got.Records))
				}
				clones = append(clones, Clone(pooled.Records[0]))
				pooled.Release()
				pooled.Release()
			}
			if within == 0 {
				t.Error("no batch was fetched from its middle")
			}
			for i, c := range clones {
				if c.Offset != int64(i) || !bytes.Equal(c.Value, compressible(i/3, i%3)) || string(c.Key) != fmt.Sprint(i/3, i%3) ||
					string(c.Headers[0].Value) != fmt.Sprint(i/3, i%3) {
					t.Errorf("record %d has changed since it was cloned", i)
				}
			}
		})
	}
}

func equal(a, b *kgo.Record) bool {
	return a.Offset == b.Offset && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) &&
		slices.EqualFunc(a.Headers, b.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) })
}

func TestPooledFetchBeyondTheEndOfALogFails(t *testing.T) {
	conn := topicsFor(t)
	produce(t, conn, pooledTopic, 0, 1)
	f := newReader(t, conn, pooledTopic).fetcher
	if pooled, err := f.FetchPooled(t.Context(), pooledTopic, 0, 5); !errors.Is(err, ErrOffsetGone) || pooled != nil {
		t.Errorf("%v, err %v", pooled, err)
	}
	var none *PooledFetch
	none.Release()
}

// TestPooledFetchReusesTheMemoryOfEarlierBatches: batches of a megabyte, fetched and released.
func TestPooledFetchReusesTheMemoryOfEarlierBatches(t *testing.T) {
	var f Fetcher
	f.pooled = kgo.DefaultDecompressor(&f.buffers)
	const size = 1 << 20
	packed, codec := kgo.CodecSnappy, kgo.SnappyCompression()
	c, err := kgo.DefaultCompressor(codec)
	if err != nil {
		t.Fatal(err)
	}
	src, _ := c.Compress(new(bytes.Buffer), bytes.Repeat([]byte("message "), size/8))
	decompress := func() {
		d := pooling{to: &PooledFetch{buffers: &f.buffers}, from: f.pooled}
		if out, err := d.Decompress(src, packed); err != nil || len(out) != size {
			t.Fatalf("%d bytes, err %v", len(out), err)
		}
		d.to.Release()
	}
	decompress()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 100
	for range times {
		decompress()
	}
	runtime.ReadMemStats(&after)
	// A collection may free memory of the pool, and the race detector drops some of it.
	if took := (after.TotalAlloc - before.TotalAlloc) / times; took > size/2 {
		t.Errorf("%d bytes are allocated for a batch of %d", took, size)
	}
}
