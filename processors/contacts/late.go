package contacts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/processors/identity"
)

// lateChanges contains changes that arrived, out of order, after a newer one of their time: through another partition,
// or the lane of history. Such a change writes no row, and the present row was written before its arrival. So it has a
// record in `state` until the next record of its id contains it, or until it is lateKept old. Without this, a restart
// would forget it, and its next delivery would count as the newest change.
type lateChanges struct {
	of      map[*entry]*late
	changed map[string]*late // records to write, by key; nil: to remove
	oldest  time.Time        // when the next one expires; zero: there is none
}

// late contains the late changes of one id and one time.
type late struct {
	key      string   // phone_number_id/id, in the spelling that represents both
	time     Version  // the timestamp and version
	digests  []uint64 // at most tiesMax, the last to arrive at the end
	received time.Time
}

// lateKept is how long late changes are remembered after the last one was received. No sender repeats a webhook for so
// long. Tombstones of `contacts` are kept as long.
const lateKept = 8 * 24 * time.Hour

func (l *lateChanges) has(e *entry, v Version) bool {
	if len(l.of) == 0 {
		return false
	}
	c := l.of[e]
	return c != nil && c.time.tied(v) && slices.Contains(c.digests, v.Digest)
}

// noteLate records a change that names an id and is older than another one of its time.
func (b *Book) noteLate(e *entry, c *Change, id []byte) {
	l := &b.late
	at := l.of[e]
	if at != nil && at.time.outdates(c.Version) {
		return // it gives way to the remembered ones, at any arrival
	}
	if at == nil || !at.time.tied(c.Version) {
		canonical, _ := identity.AppendCanonical(nil, id)
		at = &late{key: string(c.Number) + "/" + string(canonical), time: Version{TimestampMS: c.Version.TimestampMS, Number: c.Version.Number}}
	}
	if len(at.digests) == tiesMax {
		at.digests = slices.Delete(at.digests, 0, 1)
	}
	at.digests = append(at.digests, c.Version.Digest)
	if received := c.Version.Arrival.received(); received.After(at.received) {
		at.received = received
	}
	l.put(e, at)
	l.changed[at.key] = at
}

// tellLate is called before a record of an id is written. It adds the late changes that have the time of the newest
// one.
func (b *Book) tellLate(e *entry) {
	at := b.late.of[e]
	if at == nil {
		return
	}
	for _, digest := range at.digests {
		b.gaveWay(e, Version{TimestampMS: at.time.TimestampMS, Number: at.time.Number, Digest: digest})
	}
	delete(b.late.of, e)
	b.late.changed[at.key] = nil
}

func (l *lateChanges) put(e *entry, at *late) {
	if l.of == nil {
		l.of, l.changed = map[*entry]*late{}, map[string]*late{}
	}
	l.of[e] = at
	l.next(at)
}

// next updates when the first late change expires.
func (l *lateChanges) next(at *late) {
	if over := at.received.Add(lateKept); l.oldest.IsZero() || over.Before(l.oldest) {
		l.oldest = over
	}
}

// Expire forgets late changes that no sender repeats any more.
func (b *Book) Expire(now time.Time) {
	l := &b.late
	if l.oldest.IsZero() || now.Before(l.oldest) {
		return
	}
	l.oldest = time.Time{}
	for e, at := range l.of {
		if now.Before(at.received.Add(lateKept)) {
			l.next(at)
			continue
		}
		delete(l.of, e)
		l.changed[at.key] = nil
	}
}

type lateRecord struct {
	Version     int      `json:"v"`
	TimestampMS int64    `json:"t"`
	Number      int64    `json:"n,omitempty"`
	ReceivedMS  int64    `json:"r"`
	Digests     []string `json:"d"` // each as in schemas.HeaderContactDigest
}

const lateVersion = 1

// TakeState yields the records of late changes to write to `state`; a nil value removes one.
func (b *Book) TakeState(yield func(key string, value []byte)) {
	for key, at := range b.late.changed {
		delete(b.late.changed, key)
		if at == nil {
			yield(key, nil)
			continue
		}
		rec := lateRecord{lateVersion, at.time.TimestampMS, at.time.Number, at.received.UnixMilli(), make([]string, len(at.digests))}
		for i, digest := range at.digests {
			rec.Digests[i] = string(appendDigest(nil, digest))
		}
		value, err := json.Marshal(rec)
		if err != nil {
			panic(fmt.Sprintf("marshal of strings and numbers: %v", err))
		}
		yield(key, value)
	}
}

// RestoreLate reads a record of TakeState, before or after the records of the topic.
func (b *Book) RestoreLate(key string, value []byte) error {
	number, id, ok := bytes.Cut([]byte(key), []byte{'/'})
	if !ok || len(number) == 0 || len(id) == 0 {
		return fmt.Errorf("late changes of contact %q: the key is not phone_number_id/contact", key)
	}
	var rec lateRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return fmt.Errorf("late changes of contact %q: %w", key, err)
	}
	at := &late{key: key, time: Version{TimestampMS: rec.TimestampMS, Number: rec.Number}, received: time.UnixMilli(rec.ReceivedMS)}
	for _, text := range rec.Digests {
		digest, err := digestOf("digest", []byte(text))
		if err != nil {
			return fmt.Errorf("late changes of contact %q: %w", key, err)
		}
		at.digests = append(at.digests, digest)
	}
	b.late.put(b.entry(number, id), at)
	return nil
}

func (l *lateChanges) bytes() (n int) {
	const each = unsafe.Sizeof(late{}) + unsafe.Sizeof((*late)(nil)) + unsafe.Sizeof((*entry)(nil))
	for _, at := range l.of {
		n += int(each) + len(at.key) + cap(at.digests)*int(unsafe.Sizeof(uint64(0)))
	}
	return n
}
