package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// State keys.
const (
	statePage = "p|" // p|start of the bucket in Unix milliseconds|number: placeholders
	stateHeld = "f|" // f|number: a follow-up that waits
)

// stateFormat is the first byte of every value.
const stateFormat = 1

// pageEntries bounds a page, and so the placeholders that are written again when one is added.
const pageEntries = 64

type page struct {
	start  time.Time
	number int
}

func (p page) stateKey() string {
	return statePage + strconv.FormatInt(p.start.UnixMilli(), 10) + "|" + strconv.Itoa(p.number)
}

// TakeState yields the records that have changed since the last call, for the compacted `state` topic; a nil value is a
// tombstone. yield may keep the value.
func (b *Book) TakeState(yield func(key string, value []byte)) {
	p := &b.placeholders
	for _, g := range p.gone {
		yield(g.stateKey(), nil)
	}
	p.gone = nil
	for _, bucket := range p.buckets {
		bucket.takeState(yield)
	}
	w := &b.waiting
	for _, key := range w.gone {
		yield(key, nil)
	}
	w.gone = nil
	for _, h := range w.fresh {
		if !h.left {
			h.told = true
			yield(h.stateKey(), h.appendState(nil))
		}
	}
	w.fresh = nil
}

func (b *bucket) takeState(yield func(key string, value []byte)) {
	n := b.table.len()
	for from := b.told - (b.told-b.restored)%pageEntries; b.told < n; from += pageEntries {
		to := min(from+pageEntries, n)
		number := b.pagesBase + (from-b.restored)/pageEntries
		yield(page{b.start, number}.stateKey(), b.appendPage(nil, from, to))
		b.told = to
	}
}

// pages returns the number of pages of the bucket in the state.
func (b *bucket) pages() int {
	return b.pagesBase + (b.told-b.restored+pageEntries-1)/pageEntries
}

// Marks in an entry's direction byte.
const (
	sameThread  = 0x80 // the thread is that of the entry before
	groupThread = 0x40 // the thread is a group
)

// appendPage writes, instead of the whole hash, the half that a cell stores.
func (b *bucket) appendPage(dst []byte, from, to int) []byte {
	dst = append(dst, stateFormat)
	var last []byte
	for i := from; i < to; i++ {
		c := b.table.at(i)
		thread, timestamp, direction := b.fields(c)
		dst = appendHash(dst, schemas.Hash{Hi: c.key})
		dst = binary.AppendVarint(dst, timestamp)
		if i > from && bytes.Equal(thread, last) {
			dst = append(dst, direction|sameThread)
			continue
		}
		last = thread
		dst = append(dst, direction)
		dst = binary.AppendUvarint(dst, uint64(len(thread)))
		dst = append(dst, thread...)
	}
	return dst
}

func (h *held) appendState(dst []byte) []byte {
	dst = append(dst, stateFormat)
	dst = appendHash(dst, h.key)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.deadline.UnixNano()))
	return append(dst, h.value...)
}

// Restore reads the newest record of one key of TakeState; a nil value is a tombstone. The order of keys does not
// matter. All come before the first use of the Book. The value is not kept.
func (b *Book) Restore(key string, value []byte) error {
	if value == nil {
		return nil
	}
	if len(value) == 0 || value[0] != stateFormat {
		return fmt.Errorf("restore media state %q: the value is not of format %d", key, stateFormat)
	}
	var err error
	switch {
	case strings.HasPrefix(key, statePage):
		err = b.restorePage(key[len(statePage):], value[1:])
	case strings.HasPrefix(key, stateHeld):
		err = b.restoreHeld(key[len(stateHeld):], value[1:])
	default:
		err = errors.New("unknown kind of key")
	}
	if err != nil {
		return fmt.Errorf("restore media state %q: %w", key, err)
	}
	return nil
}

func (b *Book) restorePage(where string, value []byte) error {
	at, of, _ := strings.Cut(where, "|")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return errors.New("the bucket's start is not a number")
	}
	number, err := strconv.ParseUint(of, 10, 31)
	if err != nil {
		return errors.New("the page is not a number")
	}
	entries, err := parsePage(value)
	if err != nil {
		return err
	}
	start := time.UnixMilli(ms).UTC()
	b.advance(start)
	bucket := b.placeholders.bucket(start)
	for _, e := range entries {
		bucket.add(e.key.Hi, e.placeholder)
	}
	bucket.restored = bucket.table.len()
	bucket.told = bucket.restored
	bucket.pagesBase = max(bucket.pagesBase, int(number)+1)
	return nil
}

type pageEntry struct {
	key         schemas.Hash
	placeholder Placeholder
}

func parsePage(value []byte) (entries []pageEntry, err error) {
	thread := ""
	for len(value) > 0 {
		if len(value) < hashBytes {
			return nil, errCut
		}
		e := pageEntry{key: hashOf(value)}
		value = value[hashBytes:]
		timestamp, n := binary.Varint(value)
		if n <= 0 || len(value) == n {
			return nil, errCut
		}
		direction := value[n]
		value = value[n+1:]
		if direction&sameThread == 0 {
			size, n := binary.Uvarint(value)
			if n <= 0 || uint64(len(value)-n) < size {
				return nil, errCut
			}
			thread = string(value[n : n+int(size)])
			value = value[n+int(size):]
		}
		group := direction&groupThread != 0
		direction &^= sameThread | groupThread
		if int(direction) >= len(directions) {
			return nil, fmt.Errorf("direction %d is not known", direction)
		}
		e.placeholder = Placeholder{Thread: thread, Group: group, Timestamp: timestamp, Direction: directions[direction]}
		entries = append(entries, e)
	}
	return entries, nil
}

func (b *Book) restoreHeld(number string, value []byte) error {
	seq, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return errors.New("the follow-up has no number")
	}
	if len(value) < hashBytes+8 {
		return errCut
	}
	h := &held{
		key: hashOf(value), seq: seq, told: true,
		deadline: time.Unix(0, int64(binary.BigEndian.Uint64(value[hashBytes:]))).UTC(),
		value:    append([]byte(nil), value[hashBytes+8:]...),
	}
	b.waiting.insert(h)
	return nil
}

var errCut = errors.New("the value is cut short")

const hashBytes = 16

func appendHash(dst []byte, h schemas.Hash) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, h.Hi), h.Lo)
}

func hashOf(b []byte) schemas.Hash {
	return schemas.Hash{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:])}
}
