package media

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// State records: p<page> is a page of placeholders, h<hash> a held follow-up. The first byte of a page is
// the version of its form.
const (
	pagePrefix  = "p"
	heldPrefix  = "h"
	pageVersion = 1
)

func pageKey(number uint32) string { return pagePrefix + strconv.FormatUint(uint64(number), 10) }

func heldKey(h schemas.Hash) string { return heldPrefix + h.Hex() }

func (b *Book) change(key string, value []byte) {
	if b.changed == nil {
		b.changed = map[string][]byte{}
	}
	b.changed[key] = value
}

func (b *Book) closePage() {
	b.change(pageKey(b.next), b.open)
	b.next++
	b.open = nil
}

// TakeState yields the state records that changed since the last call; a nil value is a tombstone.
func (b *Book) TakeState(yield func(key string, value []byte)) {
	if len(b.open) > 0 {
		b.closePage()
	}
	for key, value := range b.changed {
		yield(key, value)
	}
	clear(b.changed)
}

// Restore takes the newest value of one key.
func (b *Book) Restore(key string, value []byte) error {
	switch {
	case strings.HasPrefix(key, pagePrefix):
		number, err := strconv.ParseUint(key[1:], 10, 32)
		if err != nil {
			return fmt.Errorf("page of placeholders: key %q: %w", key, err)
		}
		return b.restorePage(uint32(number), value)
	case strings.HasPrefix(key, heldPrefix):
		var item Item
		if err := json.Unmarshal(value, &item); err != nil {
			return fmt.Errorf("held follow-up %s: %w", key, err)
		}
		if _, ok := b.held[item.Key]; !ok {
			b.keep(item)
		}
		return nil
	}
	return fmt.Errorf("media state %q: unknown kind; it was written by a newer version", key)
}

func encodeItem(item *Item) []byte {
	value, err := json.Marshal(item)
	if err != nil {
		panic(fmt.Sprintf("marshal of a struct of numbers and bytes: %v", err))
	}
	return value
}

// A page: version, until (8), then placeholders: hash (16), timestamp (8), direction (1), length of the
// thread (uvarint), thread. Numbers are big-endian.
func appendPageHeader(page []byte, until int64) []byte {
	return binary.BigEndian.AppendUint64(append(page, pageVersion), uint64(until))
}

func appendPlace(page []byte, key schemas.Hash, p place, thread string) []byte {
	page = binary.BigEndian.AppendUint64(page, key.Hi)
	page = binary.BigEndian.AppendUint64(page, key.Lo)
	page = binary.BigEndian.AppendUint64(page, uint64(p.timestamp))
	page = append(page, p.direction)
	page = binary.AppendUvarint(page, uint64(len(thread)))
	return append(page, thread...)
}

const (
	pageHeaderBytes = 1 + 8
	placeFixedBytes = 16 + 8 + 1
)

func (b *Book) restorePage(number uint32, value []byte) error {
	if len(value) < pageHeaderBytes || value[0] != pageVersion {
		return fmt.Errorf("page %d of placeholders: not of version %d: %s", number, pageVersion, hex.EncodeToString(value[:min(len(value), 8)]))
	}
	if b.places == nil {
		b.places, b.byName, b.pages = map[schemas.Hash]place{}, map[string]uint32{}, map[uint32]page{}
	}
	b.pages[number] = page{until: int64(binary.BigEndian.Uint64(value[1:]))}
	b.next = max(b.next, number+1)
	for rest := value[pageHeaderBytes:]; len(rest) > 0; {
		if len(rest) < placeFixedBytes+1 {
			return fmt.Errorf("page %d of placeholders: cut", number)
		}
		key := schemas.Hash{Hi: binary.BigEndian.Uint64(rest), Lo: binary.BigEndian.Uint64(rest[8:])}
		p := place{timestamp: int64(binary.BigEndian.Uint64(rest[16:])), direction: rest[24] % uint8(len(directions)), page: number}
		n, k := binary.Uvarint(rest[placeFixedBytes:])
		rest = rest[placeFixedBytes:]
		if k <= 0 || n > uint64(len(rest)-k) {
			return fmt.Errorf("page %d of placeholders: cut", number)
		}
		p.thread = b.intern(string(rest[k : k+int(n)]))
		// Of a placeholder on two pages the later page has the newest.
		if was, ok := b.places[key]; !ok || was.page <= number {
			b.places[key] = p
		}
		rest = rest[k+int(n):]
	}
	return nil
}
