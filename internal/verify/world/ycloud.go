package world

import (
	"slices"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// ycloudEnvelope: all of a YCloud business comes as YCloud's events, one thing each.
func (w *World) ycloudEnvelope(b *body) bool {
	return b.broken == 0 && len(b.changes) == 1 && w.numbers[b.changes[0].number].ycloud
}

// putYCloud plans a live event: of those that Meta's webhooks have YCloud has a few.
func (w *World) putYCloud(put func(live), index int32, k int) {
	switch {
	case k < 40:
		put(live{kind: liveMessage, index: index})
	case k < 65:
		put(live{kind: liveEcho, index: index})
	default:
		for s := range int32(1 + k%3) {
			put(live{kind: liveStatus, index: index, about: s})
		}
	}
}

// appendYCloud appends an event: {id, type, createTime, …} and its object. at is the moment at which it is first sent.
func (w *World) appendYCloud(dst []byte, i int, c *change, at int64, d *dice, tell *truth.Part) []byte {
	n := &w.numbers[c.number]
	start := len(dst)
	begin := func(kind string) {
		dst = append(dst, `{"id":"evt_`...)
		dst = strconv.AppendUint(dst, mix(w.cfg.Seed^uint64(i)), 16)
		dst = appendField(append(dst, '"', ','), "type", kind)
		dst = append(dst, `,"apiVersion":"v2",`...)
		dst = append(appendDate(dst, "createTime", at), ',')
	}
	switch c.kind {
	case changeChunk:
		k := &w.chunks[c.a]
		begin("whatsapp.smb.history")
		dst = append(dst, `"phase":`...)
		dst = appendNumber(dst, k.phase, d.chance(0.5))
		dst = append(dst, `,"progress":`...)
		dst = append(appendNumber(dst, k.progress, d.chance(0.5)), ',')
		it := truth.Item{WAMID: w.wamid(n, idPast, int(k.from)), Timestamp: w.timestamp(n, int(k.from)), Direction: truth.In}
		if w.outbound(n, int(k.from)) {
			it.Direction = truth.Out
		}
		phase, progress := k.phase, k.progress
		part := truth.Part{Kind: truth.KindChunk, Number: n.index, Window: k.window, Phase: &phase, Progress: &progress}
		dst = w.appendYCloudMessage(dst, n, w.thread(n, int(k.from)), &it, &part, d)
		dst = append(dst, '}')
		part.Digest = truth.Sum(dst[start:])
		if tell != nil {
			*tell = part
		}
		return dst
	case changeContacts:
		begin("whatsapp.smb.app.state.sync")
		dst = append(dst, `"whatsappSmbAppStateSync":{`...)
		dst = n.appendWABA(dst)
		dst = appendField(append(dst, ','), "phoneNumber", "+"+n.display)
		dst = append(dst, `,"stateSync":[`...)
		if tell != nil {
			*tell = truth.Part{Kind: truth.KindContact, Number: n.index}
		}
		for k := c.a; k < c.b; k++ {
			if k > c.a {
				dst = append(dst, ',')
			}
			dst = w.appendContact(dst, n, w.ops[c.number][k], tell)
		}
		return append(dst, `]}}`...)
	case changeAccount:
		begin("whatsapp.business_account.updated")
		dst = append(dst, `"whatsappBusinessAccount":{`...)
		dst = n.appendWABA(dst)
		dst = appendField(append(dst, ','), "id", n.waba)
		dst = appendField(append(dst, ','), "updateEvent", accountEvents[c.a].name)
		dst = append(dst, '}', '}')
		if tell != nil {
			*tell = truth.Part{Kind: truth.KindAccount, Number: n.index, Account: &truth.Account{
				Event: accountEvents[c.a].name, Time: at, Digest: truth.Sum(dst[start:]),
			}}
		}
		return dst
	case changeOther:
		begin("whatsapp.phone_number.updated")
		dst = append(dst, `"whatsappPhoneNumber":{`...)
		dst = n.appendWABA(dst)
		dst = append(dst, `}}`...)
		if tell != nil {
			*tell = truth.Part{Kind: truth.KindOther, Number: n.index, Other: &truth.Other{Field: "whatsapp.phone_number.updated", Digest: truth.Sum(dst[start:])}}
		}
		return dst
	}
	l := c.live
	kinds := [...]string{liveMessage: "whatsapp.inbound_message.received", liveEcho: "whatsapp.smb.message.echoes", liveStatus: "whatsapp.message.updated"}
	if l.index%2 == 1 { // sent by an agent of the business
		kinds[liveEcho], kinds[liveStatus] = "whatsapp.echo_message.created", "whatsapp.echo_message.updated"
	}
	begin(kinds[l.kind])
	who := roll(w.cfg.Seed, atLive, uint64(n.index), uint64(l.index))
	it := truth.Item{WAMID: w.wamid(n, idLive, int(l.index)), Rank: schemas.RankConcrete, Timestamp: at, Direction: truth.Out}
	part := truth.Part{Kind: truth.KindEcho, Number: n.index}
	past := w.pastOf(n, l)
	switch l.kind {
	case liveMessage:
		part.Kind, it.Direction = truth.KindMessage, truth.In
	case liveStatus:
		part.Kind, it.Status = truth.KindStatus, liveStatuses[l.about]
		it.WAMID = w.wamid(n, idForeign, int(l.index))
		if past >= 0 {
			it.WAMID = w.wamid(n, idPast, past)
		}
	}
	thread := who.n(n.threads)
	if past >= 0 {
		thread = w.thread(n, past)
	}
	dst = w.appendYCloudMessage(dst, n, thread, &it, &part, &who)
	if tell != nil {
		*tell = part
	}
	return append(dst, '}')
}

// appendWABA names the business. Another one may be named before it, of which the event is not.
func (n *number) appendWABA(dst []byte) []byte {
	if n.decoy != "" {
		dst = appendField(append(dst, `"sharedWith":{`...), "wabaId", n.decoy)
		dst = append(dst, '}', ',')
	}
	return appendField(dst, "wabaId", n.waba)
}

// appendYCloudMessage appends the member that holds the message.
func (w *World) appendYCloudMessage(dst []byte, n *number, thread int, it *truth.Item, part *truth.Part, d *dice) []byte {
	name, from, to := `"whatsappMessage":`, "from", "to"
	if it.Direction == truth.In {
		name, from, to = `"whatsappInboundMessage":`, "to", "from"
	}
	dst = append(dst, name...)
	start := len(dst)
	dst = n.appendWABA(append(dst, '{'))
	dst = appendField(append(dst, ','), "wamid", it.WAMID)
	dst = appendField(append(dst, ','), from, "+"+n.display)
	person := truth.Person{}
	if w.byUser(n, thread) {
		person.User = w.user(n, thread)
		dst = appendField(append(dst, ','), to+"UserId", person.User)
	} else {
		person.Phone = "+" + digits(n.respelt(w.phone(n, thread), d))
		dst = appendField(append(dst, ','), to, person.Phone)
	}
	it.Rank = schemas.RankConcrete
	dst = append(dst, ',')
	if part.Kind == truth.KindStatus {
		step := slices.Index(liveStatuses[:], it.Status)
		it.Rank, it.Timestamp = 0, it.Timestamp-int64(2-step)
		dst = appendField(append(dst, `"type":"text",`...), "status", it.Status)
		for k := range step + 1 {
			dst = appendDate(append(dst, ','), [...]string{"sendTime", "deliverTime", "readTime"}[k], it.Timestamp+int64(k-step))
		}
	} else {
		if part.Kind == truth.KindChunk && it.Direction == truth.Out {
			it.Status = statuses[d.n(len(statuses))]
			dst = append(appendField(dst, "status", lowerStatuses[it.Status]), ',')
		}
		it.Type = "text"
		dst = append(dst, `"type":"text","text":{"body":`...)
		dst = append(appendText(dst, d, 4, 30), '}', ',')
		dst = appendDate(dst, "sendTime", it.Timestamp)
	}
	dst = append(dst, '}')
	it.Digest = truth.Sum(dst[start:])
	part.People, part.Items = []truth.Person{person}, []truth.Item{*it}
	return dst
}

// appendDate appends a name and a time as YCloud writes it.
func appendDate(dst []byte, name string, seconds int64) []byte {
	dst = append(append(append(dst, '"'), name...), '"', ':', '"')
	dst = time.Unix(seconds, 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	return append(dst, '"')
}
