package partition

import (
	"encoding/json"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// reroute passes a change on to the partition of its business, in an envelope of its own. A native body has one
// change, which Meta's envelope cannot express, so it is passed on unchanged. A wrapped value stays wrapped, so its
// events are the same. The headers of the raw record and its place are passed on too.
func (p *Partition) reroute(o *Origin, e split.Envelope, c *split.Change, partition int32) {
	value := c.Raw
	switch e {
	case split.EnvelopeNative:
	case split.EnvelopeWrapped:
		value = p.arena.done(c.AppendWrapped(p.arena.room(len(c.Value) + len(c.Beside) + len(c.Field) + 64)))
	default:
		value = p.enveloped(c)
	}
	hs := make([]Header, 0, len(o.Headers)+1)
	for _, h := range o.Headers {
		switch h.Key {
		case schemas.HeaderContentEncoding, schemas.HeaderOrigin:
			continue // the value is decoded, and the place is added below
		case schemas.HeaderReplayRole, schemas.HeaderWABA:
			continue // the record is the only copy of the change, and names its business
		case schemas.HeaderRequeue, schemas.HeaderDLQChanges, schemas.HeaderDLQPlaces:
			continue // the change was chosen already; from here on it is like any other
		}
		hs = append(hs, h)
	}
	if (e == split.EnvelopeNative || e == split.EnvelopeWrapped) && len(c.WABA) > 0 {
		hs = append(hs, Header{schemas.HeaderWABA, p.arena.copy(str(c.WABA))}) // the body may not name it
	}
	hs = append(hs, Header{schemas.HeaderOrigin, p.place(o, c.Entry, c.Index)})
	p.out(Record{Topic: schemas.TopicRerouted, Partition: partition, Key: p.arena.copy(str(businessOf(c))), Value: value, Headers: hs})
	p.counts.Events[schemas.TopicRerouted]++
}

// enveloped returns a change in an envelope of Meta's.
func (p *Partition) enveloped(c *split.Change) []byte {
	value := p.arena.room(len(c.Value) + len(c.Raw) + len(c.EntryID) + 128)
	value = append(value, `{"object":"whatsapp_business_account","entry":[{`...)
	if len(c.EntryID) > 0 {
		value = append(value, `"id":`...)
		value = quote(value, c.EntryID)
		value = append(value, ',')
	}
	if c.EntryTime != 0 {
		value = append(value, `"time":`...)
		value = strconv.AppendInt(value, c.EntryTime, 10)
		value = append(value, ',')
	}
	value = append(value, `"changes":[`...)
	if c.Raw != nil {
		value = append(value, c.Raw...)
	} else {
		value = append(value, `{"field":`...)
		value = quote(value, c.Field)
		value = append(value, `,"value":`...)
		value = append(value, c.Value...)
		value = append(value, '}')
	}
	return p.arena.done(append(value, `]}]}`...))
}

func quote(dst, s []byte) []byte {
	q, err := jsontext.AppendQuote(dst, s)
	if err != nil { // invalid UTF-8; a text that is quoted here was checked before
		return append(dst, `""`...)
	}
	return q
}

// other emits an unknown change on `other`, unless it cannot leave verbatim.
func (p *Partition) other(o *Origin, c *split.Change) {
	if c.Loose {
		p.unfit = true
		return
	}
	raw := c.Raw
	if raw == nil {
		raw = c.Value
	}
	p.otherPart(o, c, raw)
}

// otherPart emits a part of a change that has no other topic: an object with its place.
func (p *Partition) otherPart(o *Origin, c *split.Change, raw []byte, path ...int) {
	var id schemas.Hash
	id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeOther), c.WABA, c.Field, p.content(c, raw))
	if !p.first(o, o.ReceivedAt, id, id, schemas.RankConcrete) {
		p.counts.Duplicates[KindOther]++
		return
	}
	e := event{topic: schemas.TopicOther, ceType: schemas.TypeOther, id: id, source: p.source(c),
		time: unix(c.EntryTime), origin: p.place(o, append([]int{c.Entry, c.Index}, path...)...), trace: o}
	v := schemas.Other{WABAID: string(c.WABA), PhoneNumberID: string(c.PhoneNumberID), Field: string(c.Field), Original: json.RawMessage(raw)}
	value := p.value(&v, len(raw))
	if most := p.cfg.OtherBytesMax; most > 0 && len(value) > most {
		p.eventTooLong(o, e.id, "an event of this record is longer than the topic other takes")
		return
	}
	p.emit(&e, p.arena.copy(str(businessOf(c))), value)
}

// source returns ce_source for a change without a known number.
func (p *Partition) source(c *split.Change) []byte {
	return p.arena.copy("/whatsapp/", numberKey(string(c.WABA), string(c.PhoneNumberID)))
}
