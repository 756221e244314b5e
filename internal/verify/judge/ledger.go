package judge

import (
	"fmt"
	"math"

	"github.com/coexstream/coexstream/internal/verify/truth"
)

// Truth reads the next line of the truth file. The caller owns the line again when it returns.
func (j *Judge) Truth(l *truth.Line) error {
	switch {
	case l.Head != nil:
		j.seed = l.Head.Seed
	case l.Number != nil:
		if l.Number.Index != len(j.numbers) {
			return fmt.Errorf("number %d follows %d others", l.Number.Index, len(j.numbers))
		}
		j.byID[l.Number.PhoneNumberID] = int32(len(j.numbers))
		j.wabas[l.Number.WABA] = true
		j.numbers = append(j.numbers, number{Number: *l.Number})
	case l.Body != nil:
		return j.body(l.Body)
	case l.Sent != nil:
		b, err := j.bodyAt(l.Sent.Body)
		if err != nil {
			return err
		}
		if at := l.Sent.FirstMS; at > 0 && (b.sentMS == 0 || at < b.sentMS) {
			b.sentMS = at
		}
		if l.Sent.Acked && (!b.acked || l.Sent.LastMS < b.ackedMS) {
			b.acked, b.ackedMS = true, l.Sent.LastMS
		}
	case l.End != nil:
		j.cut = l.End.Skipped > 0
	}
	return nil
}

func (j *Judge) bodyAt(index int) (*bodyRecord, error) {
	if index < 0 || index >= len(j.bodies) || j.bodies[index].length < 0 {
		return nil, fmt.Errorf("a delivery of body %d, which was never described", index)
	}
	return &j.bodies[index], nil
}

func (j *Judge) body(b *truth.Body) error {
	if b.Index < 0 || b.Index >= math.MaxInt32 {
		return fmt.Errorf("body %d is out of range", b.Index)
	}
	for b.Index >= len(j.bodies) {
		j.bodies = append(j.bodies, bodyRecord{length: -1})
	}
	if j.bodies[b.Index].length >= 0 {
		return fmt.Errorf("body %d is described twice", b.Index)
	}
	if other, twice := j.byHash[b.Hash]; twice {
		return fmt.Errorf("the bodies %d and %d are the same", other, b.Index)
	}
	j.byHash[b.Hash] = int32(b.Index)
	record := &j.bodies[b.Index]
	record.hash, record.length = b.Hash, b.Length
	for i := range b.Parts {
		if err := j.part(b, &b.Parts[i]); err != nil {
			return fmt.Errorf("body %d, part %d: %w", b.Index, i, err)
		}
	}
	return nil
}

func (j *Judge) part(b *truth.Body, p *truth.Part) error {
	record := &j.bodies[b.Index]
	if len(p.Reasons) > 0 {
		if record.dead == nil {
			record.dead = &deadLetter{reasons: p.Reasons}
		}
		record.dead.places = append(record.dead.places, p.Places...)
	}
	if p.Kind == truth.KindDead {
		return nil
	}
	if p.Number < 0 || p.Number >= len(j.numbers) {
		return fmt.Errorf("number %d is unknown", p.Number)
	}
	n := &j.numbers[p.Number]
	n.noWABA = n.noWABA || p.NoWABA
	n.noName = n.noName || p.NoName
	if !p.NoWABA && p.Kind != truth.KindAccount && p.Kind != truth.KindOther && len(n.namedIn) < namedMax {
		n.namedIn = append(n.namedIn, int32(b.Index))
	}
	record.split = record.split || p.Split
	if p.Failure != nil {
		key := singleKey{event: truth.KindOther, owner: n.WABA, digest: p.Other.Digest}
		j.single(key).told(int32(b.Index), single{number: n, other: p.Other})
		w := n.window(p.Window)
		w.failures = append(w.failures, failure{body: int32(b.Index), digest: p.Digest, told: *p.Failure, phase: *p.Phase, order: *p.Order})
	}
	switch p.Kind {
	case truth.KindDecline:
		j.parts = append(j.parts, part{body: int32(b.Index), number: int32(p.Number), chunk: -1, kind: kindDecline})
	case truth.KindContact:
		bk := j.contacts[int32(p.Number)]
		if bk == nil {
			bk = newBook()
			j.contacts[int32(p.Number)] = bk
		}
		for _, c := range p.Contacts {
			c.Phone = digitsOf(c.Phone)
			bk.told = append(bk.told, told{Contact: c, body: int32(b.Index)})
		}
	case truth.KindAccount:
		if ends(p.Account.Event) {
			n.left = true
		}
		if p.Account.Event != "PARTNER_ADDED" {
			n.closedBy = append(n.closedBy, closing{int32(b.Index), p.Account.Time * 1000})
		}
		key := singleKey{event: truth.KindAccount, owner: n.WABA, digest: p.Account.Digest, name: p.Account.Event, time: p.Account.Time}
		j.single(key).told(int32(b.Index), single{number: n, account: p.Account})
	case truth.KindOther:
		key := singleKey{event: truth.KindOther, owner: n.WABA, digest: p.Other.Digest}
		j.single(key).told(int32(b.Index), single{number: n, other: p.Other})
	case truth.KindFailure: // said
	default:
		k, known := kinds[p.Kind]
		if !known {
			return fmt.Errorf("kind %q is unknown", p.Kind)
		}
		return j.itemsOf(b, p, k)
	}
	return nil
}

// namedMax bounds the remembered webhooks that name a number; one that arrived is sufficient.
const namedMax = 8

// kindDecline marks a part without items.
const kindDecline kind = 255

func (j *Judge) itemsOf(b *truth.Body, p *truth.Part, k kind) error {
	pt := part{body: int32(b.Index), number: int32(p.Number), chunk: -1, kind: k, standby: p.Standby}
	if k == kindChunk {
		pt.chunk = int32(len(j.chunks))
		c := chunk{
			part: int32(len(j.parts)), window: p.Window, from: j.items.count, to: j.items.count + int32(len(p.Items)),
			phase: none, order: none, progress: none, digest: p.Digest,
		}
		for _, v := range []struct {
			from *int32
			to   *int32
		}{{p.Phase, &c.phase}, {p.Order, &c.order}, {p.Progress, &c.progress}} {
			if v.from != nil {
				*v.to = *v.from
			}
		}
		j.chunks = append(j.chunks, c)
		w := j.numbers[p.Number].window(p.Window)
		w.chunks = append(w.chunks, pt.chunk)
	}
	persons := make([]uint32, len(p.People))
	for i := range p.People {
		persons[i] = j.people.of(p.People[i])
	}
	for i := range p.Items {
		it := &p.Items[i]
		rec := item{
			digest: it.Digest, timestamp: it.Timestamp, wamid: j.ids.put(it.WAMID), original: j.words.of(it.Original),
			part: int32(len(j.parts)), next: -1, typ: uint16(j.types.of(it.Type)), status: uint16(j.types.of(it.Status)), rank: it.Rank,
		}
		if it.Twin != "" {
			j.twins[it.WAMID], rec.twin = it.Twin, true
		}
		if k == kindStatus || k == kindError || k == kindHandover {
			rec.rank = rankStatus
		}
		if it.Person >= 0 {
			if it.Person >= len(persons) {
				return fmt.Errorf("item %d is of person %d of %d", i, it.Person, len(persons))
			}
			rec.person = persons[it.Person]
		}
		if it.Direction != "" {
			rec.direction = it.Direction[0]
		}
		j.items.add(rec)
	}
	j.parts = append(j.parts, pt)
	return nil
}
