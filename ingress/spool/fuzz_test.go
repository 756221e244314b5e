package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// segmentOf builds a segment of payloads and returns the end of each frame.
func segmentOf(id segmentID, payloads [][]byte) (b []byte, ends []int) {
	for i, p := range payloads {
		start := len(b)
		var h head
		b, h = appendFrame(b, uint16(i), time.UnixMilli(int64(i)), func(dst []byte) []byte { return append(dst, p...) })
		h.put(b[start:], id, int64(start))
		ends = append(ends, len(b))
	}
	return b, ends
}

// After overwriting any bytes of a segment, the scan ends, covers every byte once, and returns exactly the intact
// frames. Payloads that look like frames do not count as frames.
func FuzzRecover(f *testing.F) {
	f.Add([]byte("one\x00two\x00three"), []byte{}, uint16(0))
	f.Add([]byte("one\x00two\x00three"), []byte{0, 40, 0xff}, uint16(0))
	f.Add([]byte("one\x00two\x00three"), []byte{0, 3, 0xff, 0, 90, 1}, uint16(7))
	inner, _ := segmentOf(segmentID{1, 2}, [][]byte{[]byte("a frame inside of a payload")})
	f.Add(append([]byte("x\x00"), inner...), []byte{0, 0, 1}, uint16(0))
	f.Fuzz(func(t *testing.T, bodies, edits []byte, cut uint16) {
		id := segmentID{7, 0x1234}
		payloads := bytes.Split(bodies, []byte{0})
		if len(payloads) > 100 || len(bodies) > 1<<16 {
			t.Skip("SKIP: so many frames show nothing that a hundred do not")
		}
		b, ends := segmentOf(id, payloads)
		clean := bytes.Clone(b)
		for ; len(edits) >= 3; edits = edits[3:] {
			b[int(binary.BigEndian.Uint16(edits))%len(b)] ^= edits[2]
		}
		b = b[:len(b)-int(cut)%len(b)]
		want := map[int]bool{}
		start := 0
		for i, end := range ends {
			// Padding is not covered by a checksum, and need not be.
			used := start + headBytes + len(payloads[i])
			if end <= len(b) && bytes.Equal(b[start:used], clean[start:used]) {
				want[start] = true
			}
			start = end
		}
		scan := scanner{from: bytes.NewReader(b), id: id, end: int64(len(b))}
		at := int64(0)
		for {
			it := scan.next()
			if it.at != at || it.next < it.at || it.next > int64(len(b)) {
				t.Fatalf("a step from %d to %d after one that ended at %d of %d", it.at, it.next, at, len(b))
			}
			at = it.next
			if it.kind == itemEnd {
				break
			}
			if it.kind == itemDamaged {
				continue
			}
			if !want[int(it.at)] {
				t.Fatalf("a frame at %d that nobody wrote", it.at)
			}
			delete(want, int(it.at))
			if string(it.payload) != string(payloads[it.head.shard]) {
				t.Fatalf("frame %d has another payload", it.head.shard)
			}
		}
		if at != int64(len(b)) || len(want) > 0 {
			t.Fatalf("ended at %d of %d, missing %v", at, len(b), want)
		}
	})
}

func FuzzProgress(f *testing.F) {
	p := progress{segments: []segmentID{{1, 2}, {3, 4}}, cursors: map[uint16]position{5: 6, 7: 8}}
	f.Add(p.encode())
	f.Add([]byte(progressMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeProgress(b)
		if err != nil {
			return
		}
		again, err := decodeProgress(p.encode())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
			t.Errorf("%v, %v: %v", p, again, err)
		}
	})
}
