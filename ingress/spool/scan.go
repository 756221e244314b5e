package spool

import (
	"cmp"
	"errors"
	"io"
)

// scanner reads the frames of a segment one after the other, and finds the next intact frame after damage. It has one
// frame in memory, or scanBytes.
type scanner struct {
	from io.ReaderAt
	id   segmentID
	end  int64 // nothing is read from here on; may grow between calls of next

	offset int64 // of the next frame
	buf    []byte
	bufAt  int64
	newest int64 // time of the newest intact header; 0: none
	// unread is the error of a read in the damaged range.
	unread error
}

const (
	scanBytes   = 256 << 10
	unreadBlock = 4 << 10 // lost by one unreadable sector
)

// itemKind is the kind of an item.
type itemKind uint8

const (
	itemEnd     itemKind = iota // of the segment; the offset stays
	itemRecord                  // an intact frame
	itemSeal                    // the segment was closed properly
	itemDamaged                 // the bytes from at to next cannot be decoded
)

// item is one step of a scan. The payload is valid until the next step.
type item struct {
	kind     itemKind
	at, next int64
	head     head
	payload  []byte
	err      error // of itemDamaged: a read that failed
	// Of itemDamaged: the times between which the damaged records were received, in Unix milliseconds; 0: unknown. They
	// come from intact headers in and around the damage, because records are written about in the order of their receipt.
	from, to int64
}

// next steps on.
func (s *scanner) next() item {
	start, at := s.offset, s.offset
	s.unread = nil
	from, to := s.newest, int64(0)
	for at+headBytes <= s.end {
		b := s.view(at, headBytes)
		h, ok := parseHead(b, s.id, at)
		if !ok {
			at += frameAlign
			continue
		}
		next := at + frameBytes(int(h.length))
		if next > s.end {
			at += frameAlign // the file was cut within this frame
			continue
		}
		payload := s.view(at+headBytes, int(h.length))
		if payloadSum(payload) != h.sum {
			at = next // its header is right, and so is where it ends
			if h.kind == kindRecord {
				s.newest = max(s.newest, h.at)
				from, to = cmp.Or(from, h.at), s.newest
			}
			continue
		}
		if h.kind == kindRecord {
			s.newest = max(s.newest, h.at)
		}
		if at > start {
			if h.kind == kindRecord {
				to = s.newest
			}
			break // first return the damage before it
		}
		s.offset = next
		kind := itemRecord
		if h.kind == kindSeal {
			kind = itemSeal
		}
		return item{kind: kind, at: at, next: next, head: h, payload: payload}
	}
	if at+headBytes > s.end {
		at = s.end
	}
	s.offset = at
	if at == start {
		return item{kind: itemEnd, at: at, next: at}
	}
	return item{kind: itemDamaged, at: start, next: at, err: s.unread, from: from, to: to}
}

// view is n bytes at an offset, all below end.
func (s *scanner) view(at int64, n int) []byte {
	if at < s.bufAt || at+int64(n) > s.bufAt+int64(len(s.buf)) {
		s.fill(at, int(min(max(int64(n), scanBytes), s.end-at)))
	}
	from := int(at - s.bufAt)
	return s.buf[from : from+n]
}

// fill reads. Unreadable bytes are zero, which is no frame.
func (s *scanner) fill(at int64, n int) {
	if cap(s.buf) < n || cap(s.buf) > 4*scanBytes && n <= scanBytes {
		s.buf = make([]byte, n)
	}
	s.buf, s.bufAt = s.buf[:n], at
	if got, _ := s.from.ReadAt(s.buf, at); got == n {
		return // a ReaderAt may say EOF with the last bytes
	}
	for from := 0; from < n; from += unreadBlock {
		part := s.buf[from:min(from+unreadBlock, n)]
		got, err := s.from.ReadAt(part, at+int64(from))
		if got == len(part) {
			continue
		}
		clear(part[got:])
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file is shorter than it was
		}
		s.unread = err
	}
}
