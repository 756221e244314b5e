package deferred

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// State has two records for a block: <number>|records, with its business and its waiting records, and <number>|done,
// with how many of them have left. Numbers grow in the order in which records began to wait.

const (
	stateVersion = 1
	kindRecords  = "records"
	kindDone     = "done"
)

func (b *block) key() string     { return strconv.FormatUint(b.number, 10) + "|" + kindRecords }
func (b *block) doneKey() string { return strconv.FormatUint(b.number, 10) + "|" + kindDone }

// TakeState yields the state that has changed since the last call. A nil value removes a key.
func (q *Queue) TakeState(put func(key string, value []byte)) {
	for _, key := range q.gone {
		put(key, nil)
	}
	q.gone = q.gone[:0]
	for _, l := range q.changed {
		l.changed = false
		for _, b := range l.blocks {
			switch {
			case !b.written:
				b.records, b.done, b.written = b.records[b.done:], 0, true
				b.number = b.records[0].number
				put(b.key(), appendBlock(nil, l.business, b.records))
			case b.done != b.told:
				b.told = b.done
				put(b.doneKey(), binary.AppendUvarint([]byte{stateVersion}, uint64(b.done)))
			}
		}
	}
	q.changed = q.changed[:0]
}

func appendBlock(dst []byte, business string, records []numbered) []byte {
	dst = append(dst, stateVersion)
	dst = binary.AppendUvarint(dst, uint64(len(business)))
	dst = append(dst, business...)
	dst = binary.AppendUvarint(dst, uint64(len(records)))
	var offset, ms int64
	for i := range records {
		r := &records[i]
		dst = append(dst, byte(r.Topic))
		dst = binary.AppendVarint(dst, r.Offset-offset)
		at := r.ReceivedAt.UnixMilli()
		dst = binary.AppendVarint(dst, at-ms)
		dst = binary.AppendUvarint(dst, uint64(max(r.Bytes, 0)))
		offset, ms = r.Offset, at
	}
	return dst
}

var errCut = errors.New("it is cut short")

// reader parses the result of appendBlock.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.err = errCut
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) octet() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.err = errCut
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.err = errCut
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Restore reads the newest record of one key. Restored ends the restoration.
func (q *Queue) Restore(key string, value []byte) error {
	text, kind, _ := strings.Cut(key, "|")
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || kind != kindRecords && kind != kindDone {
		return fmt.Errorf("deferred records: key %q is not number|%s or number|%s", key, kindRecords, kindDone)
	}
	r := reader{rest: value}
	if v := r.octet(); r.err == nil && v != stateVersion {
		return fmt.Errorf("deferred records: version %d; it was written by a newer version", v)
	}
	b := q.restoring(number)
	if kind == kindDone {
		b.told = int(min(r.uvarint(), blockRecordsMax))
		return r.end()
	}
	b.business = string(r.bytes(r.uvarint()))
	n := r.uvarint()
	if r.err == nil && (n == 0 || n > blockRecordsMax) {
		return fmt.Errorf("deferred records: %d in a block", n)
	}
	var offset, ms int64
	for range n {
		var one numbered
		one.Topic = schemas.Topic(r.octet())
		offset += r.varint()
		ms += r.varint()
		one.Offset, one.ReceivedAt, one.Bytes, one.number = offset, time.UnixMilli(ms), int64(r.uvarint()&(1<<62-1)), number
		if r.err != nil {
			break
		}
		if !slices.Contains(schemas.Inputs(), one.Topic) {
			return fmt.Errorf("deferred records: one of topic %d", one.Topic)
		}
		b.records = append(b.records, one)
	}
	return r.end()
}

func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.err = errors.New("it is longer than what it says")
	}
	if r.err != nil {
		return fmt.Errorf("deferred records: %w", r.err)
	}
	return nil
}

// restored is a block whose state was read, in any order.
type restored struct {
	block
	business string
}

func (q *Queue) restoring(number uint64) *restored {
	b := q.restored[number]
	if b == nil {
		if q.restored == nil {
			q.restored = map[uint64]*restored{}
		}
		b = &restored{block: block{number: number, written: true}}
		q.restored[number] = b
	}
	return b
}

// Restored ends the restoration.
func (q *Queue) Restored() {
	for _, number := range slices.Sorted(maps.Keys(q.restored)) {
		r := q.restored[number]
		b := r.block
		b.done = b.told
		q.next = max(q.next, b.number+uint64(len(b.records)), b.number+1)
		if b.done >= len(b.records) { // of a block that was removed or set aside
			q.remove(&b)
			continue
		}
		l := q.lines[r.business]
		if l == nil {
			l = q.begin(r.business)
		}
		for i := b.done; i < len(b.records); i++ {
			q.count(&b.records[i].Record, 1)
		}
		l.blocks = append(l.blocks, &b)
	}
	q.restored = nil
}
