package publish

import (
	"bytes"
	"runtime"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// compressor compresses the batches of a topic, no more of them at a time than there are processors: more would
// be ready no sooner, and each needs room for its records before and after.
type compressor struct {
	codec kafka.Compression // 0: none
	slots chan struct{}
	pool  sync.Pool // *compressing
}

func newCompressor(codec kafka.Compression) *compressor {
	return &compressor{
		codec: codec, slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		pool: sync.Pool{New: func() any { return new(compressing) }},
	}
}

// compressing is the room that one batch needs while it is compressed.
type compressing struct {
	plain  []byte
	packed []byte
}

// compressionKeepBytes is the longest buffer that waits for the next batch.
const compressionKeepBytes = 4 << 20

func (c *compressor) begin() *compressing {
	c.slots <- struct{}{}
	return c.pool.Get().(*compressing)
}

func (c *compressor) end(w *compressing) {
	if cap(w.plain) <= compressionKeepBytes && cap(w.packed) <= compressionKeepBytes {
		c.pool.Put(w)
	}
	<-c.slots
}

// zstdEncoder is for all batches. Its fastest level makes history, which repeats itself, as small as the
// slower ones do. The record batch has a checksum of its own.
var zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
})

// compress makes packed of plain.
func (w *compressing) compress(codec kafka.Compression) error {
	switch codec {
	case kafka.Snappy:
		// One block without the framing of Java's library, which every client reads, as librdkafka
		// writes it.
		w.packed = withRoom(w.packed, s2.MaxEncodedLen(len(w.plain)))
		w.packed = s2.EncodeSnappy(w.packed[:cap(w.packed)], w.plain)
		return nil
	case kafka.Zstd:
		encoder, err := zstdEncoder()
		if err != nil {
			return err
		}
		w.packed = encoder.EncodeAll(w.plain, w.packed[:0])
		return nil
	}
	to := bytes.NewBuffer(w.packed[:0])
	z := codec.Codec().NewWriter(to)
	if _, err := z.Write(w.plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.packed = to.Bytes()
	return nil
}
