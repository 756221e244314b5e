package ingress

import "sync"

// buffers keeps byte slices for reuse, by size. Its zero value can be used.
type buffers struct{ pools [len(bufferSizes)]sync.Pool }

// bufferSizes are the sizes of pooled buffers: a message, a few messages, and then four steps for each doubling up to a
// long history chunk. With one step for each doubling, hundreds of long bodies would take up to twice their length.
// Longer buffers are not kept.
var bufferSizes = [...]int{
	4 << 10, 16 << 10, shortBytesMax,
	80 << 10, 96 << 10, 112 << 10, 128 << 10, 160 << 10, 192 << 10, 224 << 10, 256 << 10,
	320 << 10, 384 << 10, 448 << 10, 512 << 10, 640 << 10, 768 << 10, 896 << 10, 1 << 20,
	1280 << 10, 1536 << 10, 1792 << 10, 2 << 20, 2560 << 10, 3 << 20, 3584 << 10, 4 << 20,
}

// buffer is a slice with the index of its pool.
type buffer struct {
	b     []byte
	class int // index in bufferSizes; len(bufferSizes): not pooled
}

// roomFor returns the memory of a buffer for n bytes.
func roomFor(n int) int64 {
	if class := classOf(n); class < len(bufferSizes) {
		return int64(bufferSizes[class])
	}
	return int64(n)
}

// classOf returns the index of the smallest size with room for n bytes.
func classOf(n int) int {
	class := 0
	for class < len(bufferSizes) && bufferSizes[class] < n {
		class++
	}
	return class
}

// get returns a buffer with room for n bytes.
func (p *buffers) get(n int) *buffer {
	class := classOf(n)
	if class == len(bufferSizes) {
		return &buffer{b: make([]byte, 0, n), class: class}
	}
	if buf, ok := p.pools[class].Get().(*buffer); ok {
		buf.b = buf.b[:0]
		return buf
	}
	return &buffer{b: make([]byte, 0, bufferSizes[class]), class: class}
}

// put returns a buffer to its pool. It ignores nil.
func (p *buffers) put(buf *buffer) {
	if buf != nil && buf.class < len(bufferSizes) {
		p.pools[buf.class].Put(buf)
	}
}
