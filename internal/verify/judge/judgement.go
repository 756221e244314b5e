package judge

import (
	"maps"
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// Verdict returns the findings. Missing items count as lost. It is called once, at the end.
func (j *Judge) Verdict() Verdict {
	v := Verdict{Seed: j.seed, Numbers: len(j.numbers), Late: j.late, Foreign: j.foreign}
	for i := range j.bodies {
		b := &j.bodies[i]
		switch {
		case b.length < 0:
		case b.acked:
			v.BodiesOwed++
		case b.present():
			v.BodiesOptional++
		}
		if b.dead != nil && b.present() && b.dead.seen == 0 {
			j.fault(schemas.TopicDLQ, Lost, "body %d, which has to lie here with reason %q", i, b.dead.reasons)
		}
	}
	for i := range j.items.count {
		it := j.item(i)
		if it.seen {
			continue
		}
		p := &j.parts[it.part]
		switch it.state {
		case pending:
			v.Pending++
		case owed:
			number, name := j.numbers[p.number].PhoneNumberID, j.ids.get(it.wamid)+j.types.list[it.status]
			if p.chunk >= 0 {
				c := &j.chunks[p.chunk]
				j.fault(topicOfKind[p.kind], Lost, "message %s of %s, window %d, %s, body %d", j.ids.get(it.wamid), number, c.window, c.name(), p.body)
			} else {
				j.fault(topicOfKind[p.kind], Lost, "%s of %s, body %d", name, number, p.body)
			}
		}
	}
	for key, o := range j.singles {
		for range len(o.owed) - len(o.seen) {
			j.fault(o.topic(), Lost, "%s of WABA %s, body %d", key.event, key.owner, o.bodies[0])
		}
	}
	if v.Pending > 0 {
		v.HeldUntil = j.heldUntil
	}
	j.judgeTables()
	for _, t := range append([]schemas.Topic{schemas.TopicRawLive}, Topics()...) {
		tv := *j.topics[t]
		tv.Faults = maps.Clone(tv.Faults)
		v.Topics = append(v.Topics, tv)
		for _, n := range tv.Faults {
			v.Faults += n
		}
	}
	v.Samples = slices.Clone(j.samples)
	return v
}

// judgeTables compares the contacts tables and the states of the syncs with the truth.
func (j *Judge) judgeTables() {
	for _, n := range slices.Sorted(maps.Keys(j.contacts)) {
		b := j.contacts[n]
		for _, key := range slices.Sorted(maps.Keys(b.wrong)) {
			what := "differs"
			if _, there := b.have[key]; !there {
				what = "is absent"
			} else if _, wanted := b.want[key]; !wanted {
				what = "should be gone"
			}
			j.fault(schemas.TopicContacts, WrongTable, "contact %s of %s %s", key, j.numbers[n].PhoneNumberID, what)
		}
	}
	for i := range j.numbers {
		n := &j.numbers[i]
		s := &n.sync
		if !s.owed {
			continue
		}
		if !s.isThere() {
			j.fault(schemas.TopicSyncs, Lost, "the sync of %s", n.PhoneNumberID)
			continue
		}
		if d := j.syncDifferences(s); len(d) > 0 {
			j.fault(schemas.TopicSyncs, WrongTable, "the sync of %s: %v", n.PhoneNumberID, []string(d))
		}
	}
}
