package partition

import (
	"unsafe"
)

// Workspace is memory for the records that partitions emit in one transaction. It keeps some of it for the next one,
// so steady work allocates little.
type Workspace struct {
	arena   arena
	headers headers
}

// Reset makes the memory free for other records.
func (w *Workspace) Reset() {
	w.arena.reset()
	w.headers.reset()
}

// Rest releases memory that was unused since the previous call. The workspace has been reset.
func (w *Workspace) Rest() {
	w.arena.rest()
	w.headers.rest()
}

// arena hands out byte slices that live until reset, from few large blocks.
type arena struct {
	blocks [][]byte
	n      int // blocks in use; blocks[n-1] is the one being filled
	peak   int // the most since rest
}

const arenaBlockBytes = 1 << 20

// room returns an empty slice with a capacity of at least size at the arena's end; done keeps the bytes appended to it.
func (a *arena) room(size int) []byte {
	if a.n > 0 {
		b := a.blocks[a.n-1]
		if cap(b)-len(b) >= size {
			return b[len(b):len(b):cap(b)]
		}
	}
	if a.n == len(a.blocks) || cap(a.blocks[a.n]) < size {
		a.blocks = append(a.blocks, nil)
		copy(a.blocks[a.n+1:], a.blocks[a.n:])
		a.blocks[a.n] = make([]byte, 0, max(size, arenaBlockBytes))
	}
	a.n++
	return a.blocks[a.n-1]
}

// done keeps p, which began as the last room, so that its bytes are not handed out again. A p that outgrew its room
// was moved by append and needs no keeping.
func (a *arena) done(p []byte) []byte {
	b := a.blocks[a.n-1]
	if len(p) > 0 && cap(b) > len(b) && unsafe.SliceData(p) == unsafe.SliceData(b[len(b):cap(b)]) {
		a.blocks[a.n-1] = b[:len(b)+len(p)]
	}
	return p[:len(p):len(p)]
}

func (a *arena) copy(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	p := a.room(n)
	for _, s := range parts {
		p = append(p, s...)
	}
	return a.done(p)
}

// arenaKeepBlocks bounds the memory that is kept after a large transaction.
const arenaKeepBlocks = 16

func (a *arena) rest() {
	if a.peak < len(a.blocks) {
		clear(a.blocks[a.peak:])
		a.blocks = a.blocks[:a.peak]
	}
	a.peak = 0
}

func (a *arena) reset() {
	a.peak = max(a.peak, a.n)
	if len(a.blocks) > arenaKeepBlocks {
		clear(a.blocks[arenaKeepBlocks:])
		a.blocks = a.blocks[:arenaKeepBlocks]
	}
	for i, b := range a.blocks {
		if cap(b) > arenaBlockBytes {
			b = make([]byte, 0, arenaBlockBytes)
		}
		a.blocks[i] = b[:0]
	}
	a.n = 0
}

// str views b as a string without a copy. The string must not outlive b.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf views s as bytes without a copy. They must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// headers hands out slices of header slots that live until reset.
type headers struct {
	blocks  [][]Header
	n, peak int // blocks in use, and the most since rest
}

const headerBlock = 4096

// take returns an empty slice with a capacity of n at the end of the slots; done keeps the headers appended to it.
func (h *headers) take(n int) []Header {
	if h.n == 0 || cap(h.blocks[h.n-1])-len(h.blocks[h.n-1]) < n {
		if h.n == len(h.blocks) {
			h.blocks = append(h.blocks, make([]Header, 0, headerBlock))
		}
		h.n++
	}
	b := h.blocks[h.n-1]
	return b[len(b) : len(b) : len(b)+n]
}

// done keeps hs, which began as the last slots taken, so that they are not handed out again. Headers that outgrew
// them were moved by append and need no keeping.
func (h *headers) done(hs []Header) []Header {
	b := h.blocks[h.n-1]
	if len(hs) > 0 && cap(b) > len(b) && unsafe.SliceData(hs) == unsafe.SliceData(b[len(b):cap(b)]) {
		h.blocks[h.n-1] = b[:len(b)+len(hs)]
	}
	return hs[:len(hs):len(hs)]
}

const headerKeepBlocks = 32

func (h *headers) rest() {
	if h.peak < len(h.blocks) {
		clear(h.blocks[h.peak:])
		h.blocks = h.blocks[:h.peak]
	}
	h.peak = 0
}

func (h *headers) reset() {
	h.peak = max(h.peak, h.n)
	if len(h.blocks) > headerKeepBlocks {
		clear(h.blocks[headerKeepBlocks:])
		h.blocks = h.blocks[:headerKeepBlocks:headerKeepBlocks]
	}
	for i, b := range h.blocks {
		clear(b)
		h.blocks[i] = b[:0]
	}
	h.n = 0
}
