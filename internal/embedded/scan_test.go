package embedded

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// batchOf is a record batch of n offsets.
func batchOf(first int64, n int32, content []byte) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: first, Magic: 2, LastOffsetDelta: n - 1, FirstTimestamp: 1, MaxTimestamp: 1,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: n, Records: content,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli))
	return raw
}

func walkOf(contiguous bool) *walk {
	_, none := readIndex(nil, false)
	return &walk{contiguous: contiguous, nextBase: -1, entries: -1, epochOf: none}
}

// After any overwritten stretch of a log, every batch outside of it is found at its own offset with its own bytes.
// Regions and batches follow each other without a gap or an overlap.
func FuzzDamagedLog(f *testing.F) {
	f.Add(true, uint8(9), uint16(200), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(false, uint8(30), uint16(70), bytes.Repeat([]byte{0}, 100))
	f.Add(false, uint8(5), uint16(90), []byte{0xff, 0, 0, 0, 0, 0, 0, 9})
	f.Add(false, uint8(35), uint16(72), []byte{0x83}) // the length leads to the beginning of a later batch
	f.Add(true, uint8(35), uint16(72), []byte{0x83})
	f.Fuzz(func(t *testing.T, contiguous bool, count uint8, at uint16, damage []byte) {
		type placed struct {
			pos   int64
			first int64
			raw   []byte
		}
		for i := range damage {
			if _, ok := intact(damage[i:]); ok {
				t.Skip("no disk writes a batch")
			}
		}
		var log []byte
		var all []placed
		offset := int64(0)
		for i := range int64(count%40 + 1) {
			raw := batchOf(offset, int32(i%3+1), bytes.Repeat([]byte{byte(i)}, int(i*7%50)))
			all = append(all, placed{int64(len(log)), offset, raw})
			log = append(log, raw...)
			if offset += i%3 + 1; !contiguous {
				offset += i % 2 // compaction left a hole
			}
		}
		from := int64(at) % int64(len(log))
		to := from + int64(copy(log[from:], damage))

		w, got, pos, next := walkOf(contiguous), map[int64][]byte{}, int64(0), int64(0)
		pass := func(first, last int64) {
			if first < next || contiguous && first != next {
				t.Fatalf("offset %d follows %d", first, next)
			}
			next = last
		}
		mended := false
		tail, err := w.run(log, func(h batchHeader, raw []byte) error {
			pass(h.firstOffset, h.lastOffset()+1)
			got[h.firstOffset] = bytes.Clone(raw)
			if !mended {
				pos += h.bytes
			}
			mended = false
			return nil
		}, func(r region) error {
			if r.pos != pos || r.next < r.first {
				t.Fatalf("region %+v at %d", r, pos)
			}
			if pos += r.bytes; r.mended {
				mended = true // its batch follows
			} else {
				pass(r.first, r.next)
			}
			return nil
		})
		if err != nil || tail.pos != pos || tail.pos+tail.bytes != int64(len(log)) {
			t.Fatalf("tail %+v at %d, %v", tail, pos, err)
		}
		for _, b := range all {
			if end := b.pos + int64(len(b.raw)); (end <= from || b.pos >= to) && !bytes.Equal(got[b.first], b.raw) {
				t.Errorf("batch %d at %d, outside of [%d, %d), is not found as it was", b.first, b.pos, from, to)
			}
		}
	})
}

// Entries around a damaged one are found.
func FuzzDamagedStateLog(f *testing.F) {
	f.Add(uint8(5), uint16(40), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(uint8(9), uint16(0), []byte{0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, count uint8, at uint16, damage []byte) {
		var log []byte
		var all []entry
		for i := range int(count%30 + 1) {
			start := len(log)
			log = appendRaw(log, []byte(`{"n":`+string(rune('0'+i%10))+`}`))
			all = append(all, entry{int64(start), int64(len(log) - start), formatVersion, bytes.Clone(log[start+entryFrameBytes:])})
		}
		from := int64(at) % int64(len(log))
		to := from + int64(copy(log[from:], damage))
		entries, bad, tail := readEntries(log)
		found, covered := map[int64][]byte{}, tail.bytes
		for _, e := range entries {
			found[e.pos] = e.data
			covered += e.bytes
		}
		for _, r := range bad {
			covered += r.bytes
		}
		if covered != int64(len(log)) {
			t.Fatalf("%d of %d bytes are told of", covered, len(log))
		}
		for _, e := range all {
			if (e.pos+e.bytes <= from || e.pos >= to) && !bytes.Equal(found[e.pos], e.data) {
				t.Errorf("entry at %d, outside of [%d, %d), is not found", e.pos, from, to)
			}
		}
	})
}
