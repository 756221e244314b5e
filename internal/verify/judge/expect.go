package judge

import (
	"github.com/coexstream/coexstream/schemas"
)

// Expect derives the expected content of the topics from the raw log. It is called once, when all
// of the raw log was read.
func (j *Judge) Expect() {
	raw := j.topics[schemas.TopicRawLive]
	for i := range j.bodies {
		b := &j.bodies[i]
		if b.acked {
			raw.Owed++
			if !b.present() {
				j.fault(schemas.TopicRawLive, Lost, "body %d (%s, %d bytes) was acknowledged and is in no raw topic", i, b.hash, b.length)
			}
		}
		if b.dead != nil && b.present() {
			j.owe(schemas.TopicDLQ, 1)
		}
	}
	for i := range j.numbers {
		for _, w := range j.numbers[i].windows {
			j.arrange(&j.numbers[i], w)
			j.expectHistory(w)
		}
	}
	j.expectLive()
	j.expectMedia()
	j.expectSingles()
	j.expectTables()
	j.expectSyncs()
}

// link puts an item at the end of its chain.
func (j *Judge) link(key schemas.Hash, i int32) {
	j.item(i).next = -1
	head, ok := j.heads.get(key)
	if !ok {
		j.heads.put(key, i)
		return
	}
	for j.item(head).next >= 0 {
		head = j.item(head).next
	}
	j.item(head).next = i
}

func (j *Judge) keyOf(it *item, window int32) schemas.Hash {
	p := &j.parts[it.part]
	var b [160]byte
	wamid := j.ids.get(it.wamid)
	if it.twin {
		wamid = j.firstWAMID(wamid)
	}
	id := chainID(b[:0], p.kind, wamid, j.types.list[it.status], it.digest)
	return j.chainKey(p.kind, p.number, window, id)
}

// expectHistory walks the messages of a window in order. The first version of a message counts, and a
// later one only when it ranks higher.
func (j *Judge) expectHistory(w *window) {
	for _, ci := range w.chunks {
		c := &j.chunks[ci]
		w.counts.chunks++
		for i := c.from; i < c.to; i++ {
			it := j.item(i)
			key := j.keyOf(it, w.id)
			top, known := schemas.Rank(0), false
			unsure := c.unsure
			j.chain(key, func(_ int32, other *item) bool {
				if !known || other.rank > top {
					top = other.rank
				}
				known = true
				unsure = unsure || j.chunks[j.parts[other.part].chunk].unsure
				return true
			})
			switch {
			case !known || it.rank > top:
				it.state = owed
			case !unsure:
				it.state = dropped
				continue
			default:
				it.state = alternate
			}
			j.link(key, i)
			if c.pending {
				it.state = pending
			}
			if known && unsure {
				j.loosen(key)
				w.sure = false
			}
		}
	}
	for _, ci := range w.chunks {
		for i := j.chunks[ci].from; i < j.chunks[ci].to; i++ {
			if j.item(i).state == owed {
				w.counts.messages++
			}
		}
	}
	j.owe(schemas.TopicHistory, int(w.counts.messages))
	if w.holes {
		w.sure = false
	}
}

// loosen makes the versions of a message interchangeable in time, since one of them may have come late:
// the highest has to be there, the others may be, and any text of it will do.
func (j *Judge) loosen(key schemas.Hash) {
	top, first := schemas.Rank(0), int32(-1)
	j.chain(key, func(i int32, it *item) bool {
		if first < 0 || it.rank > top {
			top, first = it.rank, i
		}
		return true
	})
	ranks := map[schemas.Rank]bool{}
	j.chain(key, func(i int32, it *item) bool {
		it.flex = true
		switch {
		case it.state == pending:
		case i == first:
			it.state = owed
		case ranks[it.rank] || it.rank == top:
			it.state = alternate
		default:
			it.state = optional
		}
		ranks[it.rank] = true
		return true
	})
}

// expectLive finds, of each live item, which versions have to be there. Who came first is read from the
// raw log, where the log can tell.
func (j *Judge) expectLive() {
	var live []int32
	for i := range j.items.count {
		p := &j.parts[j.item(i).part]
		if p.kind != kindChunk && p.kind != kindMedia && j.bodies[p.body].present() {
			live = append(live, i)
		}
	}
	for _, i := range live {
		j.link(j.keyOf(j.item(i), 0), i)
	}
	for _, i := range live {
		it := j.item(i)
		it.state = owed
		b := &j.bodies[j.parts[it.part].body]
		j.chain(j.keyOf(it, 0), func(o int32, other *item) bool {
			if o == i {
				return true
			}
			ob := &j.bodies[j.parts[other.part].body]
			comparable := !b.split && !ob.split && b.first == ob.first
			switch {
			case same(it, other):
				if o < i {
					it.state = alternate
					return false
				}
			case other.rank > it.rank && !comparable:
				it.state = optional
			case other.rank > it.rank && (ob.offset < b.offset || ob == b && o < i):
				it.state = dropped
				return false
			}
			return true
		})
		if it.state == owed {
			j.owe(topicOfKind[j.parts[it.part].kind], 1)
		}
	}
}

// expectMedia: an asset has to be there once. Without a placeholder in the raw log it leaves when the
// processor has waited for one, so it may not be there yet.
func (j *Judge) expectMedia() {
	for i := range j.items.count {
		it := j.item(i)
		p := &j.parts[it.part]
		if p.kind != kindMedia || !j.bodies[p.body].present() {
			continue
		}
		it.state = owed
		key := j.keyOf(it, 0)
		j.chain(key, func(int32, *item) bool { it.state = alternate; return false })
		j.link(key, i)
		if it.state == alternate {
			continue
		}
		if ph := j.placeholder(it); ph == nil || ph.state == pending {
			it.state = pending
			continue
		}
		j.owe(schemas.TopicMedia, 1)
	}
}

// placeholder finds the placeholder of an asset.
func (j *Judge) placeholder(it *item) *item {
	p := &j.parts[it.part]
	wamid := []byte(j.firstWAMID(j.ids.get(it.wamid)))
	var found *item
	for _, w := range j.numbers[p.number].windows {
		j.chain(j.chainKey(kindChunk, p.number, w.id, wamid), func(_ int32, h *item) bool {
			if h.rank == schemas.RankPlaceholder {
				found = h
			}
			return found == nil
		})
		if found != nil {
			break
		}
	}
	return found
}
