package publish

import (
	"bytes"
	"runtime"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// compressor compresses the batches of a topic. At most one batch for each processor is compressed at a time: more would
// not finish sooner, and each needs a buffer before and after.
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

// compressing has the buffers for the compression of one batch.
type compressing struct {
	plain  []byte
	packed []byte
}

// compressionKeepBytes is the longest buffer that is kept for the next batch.
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

// zstdEncoder is shared by all batches. The fastest level compresses history as well as slower ones do, because history
// is repetitive. The record batch has a checksum of its own.
var zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
})

// compress fills packed with the compressed plain.
func (w *compressing) compress(codec kafka.Compression) error {
	switch codec {
	case kafka.Snappy:
		// One block without the framing of the Java library, as librdkafka writes it. Every client reads it.
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
