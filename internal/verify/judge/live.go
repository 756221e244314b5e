package judge

import (
	"bytes"
	"cmp"

	"github.com/coexstream/coexstream/schemas"
)

// liveOrder is the place in the raw log of a partition's last live event.
type liveOrder struct {
	offset int64
	index  int32
}

// liveItem judges a message, an echo, a status or an error.
func (j *Judge) liveItem(r *Record, e *event, n int32, k kind) {
	var b [160]byte
	key := j.chainKey(k, n, 0, chainID(b[:0], k, j.firstWAMID(e.WAMID), e.Status, e.digest))
	var index int32
	if k == kindMessage || k == kindEcho {
		index = j.match(r, e, key)
	} else {
		index = j.matchStatus(r, e, key, k, n)
	}
	if index < 0 {
		return
	}
	it := j.item(index)
	var d differences
	j.common(&d, e, it)
	if k == kindMessage || k == kindEcho {
		d.sort(e, kindOfMessage(j.types.list[it.typ], it.rank), it.rank)
	} else {
		d.unranked(e, map[kind]string{kindStatus: "status", kindError: "error", kindHandover: "handover"}[k])
	}
	d.flag("historical", e.Historical, false)
	d.text("status", e.Status, j.types.list[it.status])
	p := &j.parts[it.part]
	d.flag("standby", &e.Standby, p.standby)
	j.differs(r, &d, "%s%s of %s", e.WAMID, e.Status, e.PhoneNumberID)
	named := cmp.Or(e.Thread, e.WAMID) // without a contact, each message is its own thread
	if k == kindError {
		named = cmp.Or(e.Thread, "errors")
	}
	j.keyed(r, e.PhoneNumberID+"/"+named)
	j.inOrder(r, []int32{p.body}, index)
}

// matchStatus is match for items without a rank. It finds an item by its text, and one with an altered text by its
// time.
func (j *Judge) matchStatus(r *Record, e *event, key schemas.Hash, k kind, n int32) int32 {
	first, exact := int32(-1), int32(-1)
	j.chain(key, func(i int32, it *item) bool {
		if first < 0 || j.item(first).seen || !it.seen && it.timestamp == e.Timestamp && j.item(first).timestamp != e.Timestamp {
			first = i
		}
		if it.digest == e.digest {
			exact = i
		}
		return exact < 0
	})
	if exact >= 0 {
		first = exact
	}
	if first < 0 && k != kindStatus {
		first = j.alteredOf(n, k)
	}
	switch {
	case first < 0:
		j.fault(r.Topic, Unexpected, "%s: nobody sent %s%s to %s", r, e.WAMID, e.Status, e.PhoneNumberID)
		return -1
	case j.item(first).seen:
		j.fault(r.Topic, Duplicated, "%s: %s%s of %s", r, e.WAMID, e.Status, e.PhoneNumberID)
		return -1
	}
	j.see(first, j.keyOf(j.item(first), 0))
	return first
}

// alteredOf returns the error or handover whose text was altered: the only one of its number that was not seen yet.
func (j *Judge) alteredOf(n int32, k kind) int32 {
	found := int32(-1)
	for i := range j.items.count {
		it := j.item(i)
		if p := &j.parts[it.part]; p.kind != k || p.number != n || it.seen || it.state != owed {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = i
	}
	return found
}

// line contains the live events of one owner in a partition: of a number, or of a business. Those of different
// businesses may overtake each other (ADR 0037).
type line struct {
	place
	owner string
}

// inOrder judges the order of live events for each owner: that of the live lane of their partition. It omits events
// whose bodies went through the bulk lane, or concerned several businesses.
func (j *Judge) inOrder(r *Record, bodies []int32, index int32) {
	var first *bodyRecord
	for _, i := range bodies {
		b := &j.bodies[i]
		if !b.present() {
			continue
		}
		if b.split || b.first.topic != schemas.TopicRawLive || first != nil && first.first != b.first {
			return
		}
		if first == nil || b.offset < first.offset {
			first = b
		}
	}
	if first == nil || first.first.partition != r.Partition {
		return
	}
	owner, _, _ := bytes.Cut(r.Key, []byte{'/'})
	at := line{place{r.Topic, r.Partition}, string(owner)}
	last, known := j.order[at]
	if known && (first.offset < last.offset || first.offset == last.offset && index < last.index) {
		j.fault(r.Topic, OutOfOrder, "%s: it came at offset %d of %s, and is behind an event from offset %d", r, first.offset, first.first.topic, last.offset)
		return
	}
	j.order[at] = liveOrder{first.offset, index}
}
