package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// walk goes through the bytes of one segment, batch by batch. Where a batch is damaged it finds the next
// one that is whole, so that a damaged batch costs nothing but itself.
//
// A batch's checksum covers everything behind the checksum. The first offset, the length, the leader's epoch and the
// magic byte are in front of it. They are compared with the neighbours. If only they are damaged, the batch is mended,
// because its checksum proves the rest.
type walk struct {
	contiguous bool  // offsets follow each other without holes: the topic is not compacted
	expected   int64 // the next offset, or the smallest that it can be
	nextBase   int64 // first offset of the next segment, or -1
	limit      int64 // offsets from here on were never given out; 0: not known
	epoch      int32 // leader's epoch of the batch before
	entries    int   // sound entries of the index, or -1
	epochOf    func(entry int) (int32, bool)

	batches int // whole or mended, so far
	regions int // lost, so far
}

// region is a stretch of a segment without a whole batch.
type region struct {
	pos, bytes  int64
	first, next int64 // offsets that are gone: [first, next)
	exact       bool  // the records had exactly these offsets
	mended      bool  // the batch was put right, nothing is gone
	header      batchHeader
	readable    bool // header was a header
}

// intact reads the batch at the beginning of b, if its length fits and its checksum is right.
func intact(b []byte) (batchHeader, bool) {
	if len(b) < batchHeaderBytes {
		return batchHeader{}, false
	}
	h, ok := readHeader(b)
	return h, ok && h.bytes <= int64(len(b)) && crcMatches(b[:h.bytes])
}

// run calls batch for every whole batch and bad for every region between two of them, in order. It returns the rest
// behind the last whole batch, which may be empty.
func (w *walk) run(b []byte, batch func(h batchHeader, raw []byte) error, bad func(r region) error) (region, error) {
	pos, size := int64(0), int64(len(b))
	for pos < size {
		h, ok := intact(b[pos:])
		if ok && w.fits(b, pos, h) {
			if err := batch(h, b[pos:pos+h.bytes]); err != nil {
				return region{}, err
			}
			w.pass(h)
			pos += h.bytes
			continue
		}
		r, ended := w.damage(b, pos, h, ok)
		if ended {
			return r, nil
		}
		if err := bad(r); err != nil {
			return region{}, err
		}
		if r.mended {
			raw := mend(b[r.pos:r.pos+r.bytes], r.first, w.epoch)
			h, _ := readHeader(raw)
			if err := batch(h, raw); err != nil {
				return region{}, err
			}
			w.batches++
		} else {
			w.regions++
		}
		w.expected = r.next
		pos = r.pos + r.bytes
	}
	return region{pos: size, first: w.expected, next: -1}, nil
}

func (w *walk) pass(h batchHeader) {
	w.expected, w.epoch = h.lastOffset()+1, h.leaderEpoch
	w.batches++
}

// fits reports whether the fields that no checksum covers agree with the batches around it.
func (w *walk) fits(b []byte, pos int64, h batchHeader) bool {
	return h.magic == 2 && w.offsetFits(b, pos, h) && w.epochFits(h)
}

func (w *walk) offsetFits(b []byte, pos int64, h batchHeader) bool {
	if w.contiguous {
		return h.firstOffset == w.expected
	}
	if h.firstOffset < w.expected || w.nextBase >= 0 && h.lastOffset() >= w.nextBase || w.limit > 0 && h.lastOffset() >= w.limit {
		return false
	}
	if rest := b[pos+h.bytes:]; len(rest) >= batchHeaderBytes {
		if next, ok := readHeader(rest); !ok || next.magic != 2 || next.bytes > int64(len(rest)) {
			// Damage begins or ends here: the next whole batch has to stand behind this one.
			at, after := w.resync(b, pos+h.bytes-1)
			return at == int64(len(b)) || after.firstOffset > h.lastOffset() || after.firstOffset-w.expected <= int64(h.lastDelta)
		}
		// The one behind it would come before it. Where both had room, this one is wrong.
		if after := int64(binary.BigEndian.Uint64(rest)); after <= h.lastOffset() && after-w.expected > int64(h.lastDelta) {
			if _, ok := intact(rest); ok {
				return false
			}
		}
	}
	return true
}

// epochFits: the leader of the only broker does not change, so an epoch that does is a damaged one, unless
// the index knows it as well.
func (w *walk) epochFits(h batchHeader) bool {
	if h.leaderEpoch == w.epoch {
		return true
	}
	if w.regions > 0 {
		return h.leaderEpoch >= 0
	}
	epoch, ok := w.epochOf(w.batches)
	return ok && epoch == h.leaderEpoch
}

// damage describes the fault from pos to the next whole batch. It reports true if there is no such batch.
func (w *walk) damage(b []byte, pos int64, h batchHeader, checksumRight bool) (region, bool) {
	r := region{pos: pos, first: w.expected, next: -1}
	if checksumRight {
		return w.misplaced(b, r, h)
	}
	if len(b)-int(pos) >= batchHeaderBytes {
		r.header, r.readable = readHeader(b[pos:])
	}
	end, after := w.resync(b, pos)
	r.bytes = end - pos
	if end < int64(len(b)) {
		r.next = after.firstOffset
	} else if w.nextBase >= 0 {
		r.next = w.nextBase
	}
	raw := b[pos:end]
	if whole, ok := w.mendable(raw, r.first, r.next); ok {
		r.mended, r.first, r.next = true, whole.firstOffset, whole.lastOffset()+1
		return r, false
	}
	return r, end == int64(len(b))
}

// misplaced handles a batch whose checksum is right and whose other fields are not.
func (w *walk) misplaced(b []byte, r region, h batchHeader) (region, bool) {
	end := r.pos + h.bytes
	r.bytes, r.header, r.readable = h.bytes, h, true
	after, last := w.nextBase, int(end) == len(b)
	if next, ok := intact(b[end:]); ok {
		after = next.firstOffset
	} else if at, next := w.resync(b, end-1); at < int64(len(b)) {
		after = next.firstOffset // something between is damaged, too
	}
	missing := w.entries >= 0 && last && w.entries > w.batches+w.regions+1
	if w.contiguous && h.magic == 2 && h.firstOffset > w.expected && (after == h.lastOffset()+1 || after < 0 && missing) {
		// The batch is right, and others are missing before it.
		return region{pos: r.pos, first: w.expected, next: h.firstOffset}, false
	}
	if whole, ok := w.mendable(b[r.pos:end], r.first, after); ok {
		r.mended, r.first, r.next = true, whole.firstOffset, whole.lastOffset()+1
		return r, false
	}
	r.next = after
	return r, last && after < 0
}

// mendable reports whether raw is a batch whose checksum is right, and which offsets it had.
func (w *walk) mendable(raw []byte, first, next int64) (batchHeader, bool) {
	if len(raw) < batchHeaderBytes || binary.BigEndian.Uint32(raw[17:]) != crc32.Checksum(raw[21:], castagnoli) {
		return batchHeader{}, false
	}
	h, _ := readHeader(raw)
	if h.lastDelta < 0 {
		return batchHeader{}, false
	}
	h.bytes = int64(len(raw))
	own := h.firstOffset >= first && (next < 0 || h.lastOffset() < next) && (w.limit == 0 || h.lastOffset() < w.limit)
	switch {
	case w.contiguous || !own:
		h.firstOffset = first
		if next >= 0 && h.lastOffset()+1 > next || !w.contiguous && h.lastOffset()+1 != next {
			return batchHeader{}, false
		}
	}
	return h, true
}

// mend is a whole batch from one whose fields before the checksum were damaged.
func mend(raw []byte, first int64, epoch int32) []byte {
	b := slices.Clone(raw)
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[12:], uint32(epoch))
	b[16] = 2
	return b
}

// resync finds the next whole batch behind a damaged one. It returns the end of b when there is none.
//
// The content of a damaged batch may look like a batch. So a candidate counts if the bytes behind it agree, or if it is
// before the next candidate with that property.
func (w *walk) resync(b []byte, pos int64) (int64, batchHeader) {
	size := int64(len(b))
	if size-pos >= batchHeaderBytes {
		if h, ok := readHeader(b[pos:]); ok && h.bytes < size-pos {
			if after, ok, agrees := w.follows(b, pos+h.bytes); ok && agrees {
				if at, first, ok := w.between(b, pos+1, pos+h.bytes); ok {
					return at, first // the length was damaged, and leads to a later batch
				}
				return pos + h.bytes, after
			}
		}
	}
	type candidate struct {
		pos int64
		h   batchHeader
	}
	var alone []candidate
	for q := pos + 1; q+batchHeaderBytes <= size; q++ {
		if b[q+16] != 2 {
			continue
		}
		h, ok, agrees := w.follows(b, q)
		switch {
		case !ok:
		case !agrees:
			alone = append(alone, candidate{q, h})
		default:
			for _, c := range alone {
				if c.h.lastOffset() < h.firstOffset && c.pos+c.h.bytes <= q {
					return c.pos, c.h
				}
			}
			return q, h
		}
	}
	if len(alone) > 0 {
		return alone[0].pos, alone[0].h
	}
	return size, batchHeader{}
}

// between finds the first of the whole batches that fill b up to end without a gap. A batch in the content of a record
// does not reach the end of its own batch: the record's headers follow it.
func (w *walk) between(b []byte, from, end int64) (int64, batchHeader, bool) {
	for q := from; q+batchHeaderBytes <= end; q++ {
		if b[q+16] != 2 {
			continue
		}
		at := q
		for at < end {
			h, ok := intact(b[at:end])
			if !ok {
				break
			}
			at += h.bytes
		}
		if at == end {
			if h, ok, agrees := w.follows(b, q); ok && agrees {
				return q, h, true
			}
		}
	}
	return 0, batchHeader{}, false
}

// lostMost is more offsets than one damaged place takes.
const lostMost = 4 * reserveOffsets

// follows reports whether a whole batch begins at pos that can follow the previous one, and whether the bytes behind it
// agree. Damage may reach into its first offset, which no checksum covers. Then its successor determines the offset.
func (w *walk) follows(b []byte, pos int64) (h batchHeader, ok, agrees bool) {
	h, ok = intact(b[pos:])
	if !ok || h.magic != 2 {
		return h, false, false
	}
	next := w.nextBase
	end := pos + h.bytes
	agrees = end == int64(len(b))
	if after, ok := intact(b[end:]); ok {
		next, agrees = after.firstOffset, true
	}
	if w.contiguous && next >= 0 && h.lastOffset()+1 != next && next-int64(h.lastDelta)-1 >= w.expected {
		if agrees {
			h.firstOffset = next - int64(h.lastDelta) - 1
		}
	}
	ok = h.firstOffset >= w.expected && h.firstOffset-w.expected <= lostMost && (next < 0 || h.lastOffset() < next) &&
		(w.limit == 0 || h.lastOffset() < w.limit)
	return h, ok, agrees
}

// rewriting is the content of an index whose segment is being repaired: it proves nothing about the segment.
const rewriting = "\xff"

func isRewriting(index []byte) bool { return string(index) == rewriting }

// readIndex reads an index file. Its entries are -1 when it is damaged.
func readIndex(b []byte, found bool) (entries int, epochOf func(int) (int32, bool)) {
	none := func(int) (int32, bool) { return 0, false }
	if !found || isRewriting(b) {
		return -1, none
	}
	n := len(b) / indexEntryBytes // an entry that is torn was not acknowledged
	for i := range n {
		e := b[i*indexEntryBytes:]
		if e[0] != formatVersion || e[1] != byte(crc32.Checksum(e[2:indexEntryBytes], castagnoli)) || e[14] > 1 {
			return -1, none
		}
	}
	return n, func(i int) (int32, bool) {
		if i < 0 || i >= n {
			return 0, false
		}
		return int32(binary.LittleEndian.Uint32(b[i*indexEntryBytes+2:])), true
	}
}

// entry is one of a state log: framed JSON.
type entry struct {
	pos, bytes int64
	version    uint16
	data       []byte
}

// readEntries reads a state log. Damaged entries are left out and returned apart, with the bytes up to the
// next whole one; the bytes behind the last whole one are the tail.
func readEntries(b []byte) (entries []entry, bad []region, tail region) {
	at := func(pos int) (entry, bool) {
		if pos+entryFrameBytes > len(b) {
			return entry{}, false
		}
		n := int(binary.LittleEndian.Uint32(b[pos:]))
		if n < 2 || n > len(b)-pos-8 || crc32.Checksum(b[pos+8:pos+8+n], castagnoli) != binary.LittleEndian.Uint32(b[pos+4:]) {
			return entry{}, false
		}
		return entry{int64(pos), int64(8 + n), binary.LittleEndian.Uint16(b[pos+8:]), b[pos+entryFrameBytes : pos+8+n]}, true
	}
	for pos := 0; pos < len(b); {
		if e, ok := at(pos); ok {
			entries = append(entries, e)
			pos += int(e.bytes)
			continue
		}
		next := -1
		for q := pos + 1; q+entryFrameBytes < len(b); q++ {
			// The version and the first byte of an object are the same in every entry.
			if b[q+8] == formatVersion && b[q+9] == 0 && b[q+10] == '{' {
				if _, ok := at(q); ok {
					next = q
					break
				}
			}
		}
		if next < 0 {
			return entries, bad, region{pos: int64(pos), bytes: int64(len(b) - pos)}
		}
		bad = append(bad, region{pos: int64(pos), bytes: int64(next - pos)})
		pos = next
	}
	return entries, bad, region{pos: int64(len(b))}
}
