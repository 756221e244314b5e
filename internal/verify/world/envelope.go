package world

import (
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// Sources of bodies.
const (
	SourceMeta   = "meta"
	SourceDialog = "360dialog" // 360dialog's partner URL, with its own envelope and signature
	SourceYCloud = "ycloud"    // YCloud's events, with their own envelope and signature
)

// changeKind is the kind of one change of a body.
type changeKind uint8

const (
	changeChunk changeKind = iota
	changeDecline
	changeFollow
	changeContacts
	changeLive
	changeAccount
	changeOther
	changeFailure // an error in place of a chunk
	changeOdd     // a change of which nothing can be used
)

// change is the plan of one change of a body.
type change struct {
	kind   changeKind
	number int32
	a, b   int32 // chunk, follow, failure: index; contacts: from, to; account: event, spelling; other: index
	odd    int8  // contacts: invalid part among the valid ones
	live   live
}

// body is the plan of one webhook: its changes, or how it is broken.
type body struct {
	changes []change
	broken  int8  // 0: not; else one more than the index in breakages
	bare    bool  // a value without an envelope
	undated bool  // its entry has no time
	solo    bool  // has a body of its own, because later webhooks depend on it
	at      int64 // Unix seconds of the moment at which it is first sent, 0 before
}

// Source is the endpoint that a body goes to.
func (w *World) Source(i int) string {
	switch b := &w.bodies[i]; {
	case w.dialogEnvelope(b):
		return SourceDialog
	case w.ycloudEnvelope(b):
		return SourceYCloud
	}
	return SourceMeta
}

// dialogEnvelope: history and contacts of a 360dialog business come to the partner URL.
func (w *World) dialogEnvelope(b *body) bool {
	if b.broken > 0 || len(b.changes) != 1 || !w.numbers[b.changes[0].number].dialog {
		return false
	}
	switch c := &b.changes[0]; c.kind {
	case changeChunk, changeDecline, changeContacts, changeFailure:
		return true
	case changeFollow:
		return w.follow[c.a].shape != shapeEchoed
	}
	return false
}

// Render appends body i to dst. With tell it returns its content. at is the moment, in Unix
// seconds, at which the body is first sent: the same for every rendering of it.
func (w *World) Render(dst []byte, i int, at int64, tell bool) ([]byte, []truth.Part) {
	b := &w.bodies[i]
	if b.broken > 0 {
		return w.appendBroken(dst, i, b, at, tell)
	}
	var parts []truth.Part
	if tell {
		parts = make([]truth.Part, len(b.changes))
	}
	d := roll(w.cfg.Seed, atBody, uint64(i))
	switch {
	case b.bare:
		dst = append(dst, '{')
		dst = w.appendValue(dst, &b.changes[0], at, false, &d, first(parts))
		dst = append(dst, '}')
		if tell {
			parts[0].NoWABA = true
		}
	case w.dialogEnvelope(b):
		dst = w.appendDialog(dst, i, &b.changes[0], at, &d, first(parts))
		placed(first(parts), 0, 0)
	case w.ycloudEnvelope(b):
		dst = w.appendYCloud(dst, i, &b.changes[0], at, &d, first(parts))
	default:
		dst = w.appendMeta(dst, i, b, at, &d, parts)
	}
	return dst, parts
}

func first(parts []truth.Part) *truth.Part {
	if parts == nil {
		return nil
	}
	return &parts[0]
}

var fields = [...]string{
	changeChunk: "history", changeDecline: "history", changeFollow: "history", changeContacts: "smb_app_state_sync", changeAccount: "account_update",
	changeFailure: "history", changeOdd: "history",
}

func (w *World) field(c *change) string {
	switch c.kind {
	case changeLive:
		switch {
		case c.live.standby:
			return "standby"
		case c.live.kind == liveHandover:
			return "messaging_handovers"
		case c.live.kind.echo() && w.alias(&w.numbers[c.number], c.live.index):
			return [...]string{"message_echoes", "message_echoes", "messages"}[c.live.index%3]
		case c.live.kind.echo():
			return "smb_message_echoes"
		}
		return "messages"
	case changeAccount:
		if c.b&accountAsField != 0 {
			return strings.ToLower(accountEvents[c.a].name)
		}
	case changeFollow:
		if w.follow[c.a].shape == shapeEchoed {
			return "smb_message_echoes"
		}
	case changeOther:
		return otherFields[int(c.a)%len(otherFields)]
	}
	return fields[c.kind]
}

// appendMeta appends the standard envelope: an entry for each business.
func (w *World) appendMeta(dst []byte, i int, b *body, at int64, d *dice, parts []truth.Part) []byte {
	last := d.chance(0.1) // object keys come in any order
	dst = append(dst, '{')
	if !last {
		dst = append(dst, `"object":"whatsapp_business_account",`...)
	}
	dst = append(dst, `"entry":[`...)
	several := false
	entries, place := 0, 0
	for k := range b.changes {
		c := &b.changes[k]
		n := &w.numbers[c.number]
		if k > 0 {
			if w.numbers[b.changes[k-1].number].waba == n.waba {
				dst = append(dst, ',')
			} else {
				several = true
				dst = append(dst, `]},`...)
			}
		}
		if k == 0 || w.numbers[b.changes[k-1].number].waba != n.waba {
			entry := n.waba
			if c.kind == changeAccount && accountEvents[c.a].portfolio {
				entry = portfolioID(w.cfg.Seed, n.business)
			}
			dst = appendField(append(dst, '{'), "id", entry)
			if b.undated {
				dst = append(dst, `,"serial":`...) // bodies differ in something
				dst = strconv.AppendInt(dst, int64(i), 10)
			} else {
				dst = append(dst, `,"time":`...)
				dst = strconv.AppendInt(dst, at, 10)
			}
			dst = append(dst, `,"changes":[`...)
			entries, place = entries+1, 0
		}
		var tell *truth.Part
		if parts != nil {
			tell = &parts[k]
		}
		dst = w.appendChange(dst, c, at, d, tell)
		placed(tell, entries-1, place)
		place++
		if tell != nil && b.undated && tell.Account != nil {
			tell.Account.Time = 0
		}
	}
	dst = append(dst, `]}]`...)
	if last {
		dst = append(dst, `,"object":"whatsapp_business_account"`...)
	}
	if several {
		for k := range parts {
			parts[k].Split = true
		}
	}
	return append(dst, '}')
}

func (w *World) appendChange(dst []byte, c *change, at int64, d *dice, tell *truth.Part) []byte {
	if c.kind == changeOdd {
		if tell != nil {
			*tell = truth.Part{Kind: truth.KindDead, Number: -1, Reasons: []string{string(schemas.ReasonShape)}, Places: []string{""}}
		}
		dst = append(append(dst, oddChanges[c.a]...), w.numbers[c.number].id...)
		return append(dst, `"}}}`...)
	}
	start := len(dst)
	fieldFirst := d.chance(0.3)
	dst = append(dst, '{')
	if fieldFirst {
		dst = append(appendField(dst, "field", w.field(c)), ',')
	}
	dst = append(dst, `"value":`...)
	value := len(dst)
	dst = append(dst, '{')
	dst = w.appendValue(dst, c, at, false, d, tell)
	dst = append(dst, '}')
	if tell != nil && tell.Account != nil {
		tell.Account.Digest = truth.Sum(dst[value:])
	}
	if tell != nil && tell.Kind == truth.KindHandover {
		tell.Items[0].Digest = truth.Sum(dst[value:])
	}
	if !fieldFirst {
		dst = appendField(append(dst, ','), "field", w.field(c))
	}
	dst = append(dst, '}')
	if tell != nil && tell.Kind == truth.KindOther {
		tell.Other.Digest = truth.Sum(dst[start:])
	}
	return dst
}

// appendDialog appends 360dialog's envelope: {id, event, data}, the value's properties within data.
func (w *World) appendDialog(dst []byte, i int, c *change, at int64, d *dice, tell *truth.Part) []byte {
	dst = append(dst, `{"id":"`...)
	dst = strconv.AppendUint(dst, mix(w.cfg.Seed^uint64(i)), 16)
	dst = appendField(append(dst, '"', ','), "event", w.field(c))
	dst = appendField(append(dst, `,"data":{`...), "id", w.numbers[c.number].waba)
	dst = append(dst, ',')
	dst = w.appendValue(dst, c, at, true, d, tell)
	return append(dst, '}', '}')
}

// appendValue appends the properties of a change's value.
func (w *World) appendValue(dst []byte, c *change, at int64, dialog bool, d *dice, tell *truth.Part) []byte {
	n := &w.numbers[c.number]
	switch c.kind {
	case changeAccount:
		return w.appendAccount(dst, n, c, at, tell)
	case changeOther:
		return w.appendOther(dst, n, c, tell)
	}
	metadataLast := d.chance(0.1)
	dst = append(dst, `"messaging_product":"whatsapp",`...)
	if c.kind == changeLive && c.live.kind == liveHandover {
		return w.appendLive(dst, n, c.live, at, tell)
	}
	// A bare value has nothing else to know the business by.
	nameless := n.noName && (c.kind == changeChunk || c.kind == changeFailure || c.kind == changeFollow)
	if !metadataLast {
		dst = append(appendValueMetadata(dst, n, nameless), ',')
	}
	switch c.kind {
	case changeChunk:
		dst = append(dst, `"history":[`...)
		dst = w.appendChunk(dst, &w.chunks[c.a], dialog || d.chance(0.02), tell)
		dst = append(dst, ']')
	case changeDecline:
		errors, refusal := `"history":[{"errors":`, declined
		if d.chance(w.cfg.Aliases) { // one, without its array
			errors, refusal = `"history":[{"error":`, declined[1:len(declined)-1]
		}
		dst = append(dst, errors...)
		start := len(dst)
		dst = append(dst, refusal...)
		if tell != nil {
			*tell = truth.Part{Kind: truth.KindDecline, Number: n.index, Window: 1, Digest: truth.Sum(dst[start:])}
		}
		dst = append(dst, '}', ']')
	case changeFailure:
		dst = append(dst, `"history":[`...)
		dst = w.appendFailure(dst, &w.chunks[c.a], dialog, tell)
		dst = append(dst, ']')
	case changeFollow:
		dst = w.appendFollow(dst, &w.follow[c.a], tell)
	case changeContacts:
		if tell != nil {
			*tell = truth.Part{Kind: truth.KindContact, Number: n.index}
		}
		dst = append(dst, `"state_sync":[`...)
		odd := oddOf(c.odd)
		for k := c.a; k < c.b; k++ {
			if k > c.a {
				dst = append(dst, ',')
			}
			if odd != nil && k == (c.a+c.b)/2 {
				dst = append(odd.append(dst, "state_sync.", int(k-c.a), tell), ',')
			}
			dst = w.appendContact(dst, n, w.ops[c.number][k], tell)
		}
		dst = append(dst, ']')
	case changeLive:
		dst = w.appendLive(dst, n, c.live, at, tell)
	}
	if metadataLast {
		dst = appendValueMetadata(append(dst, ','), n, nameless)
	}
	if tell != nil {
		tell.NoName = nameless
	}
	return dst
}

func appendValueMetadata(dst []byte, n *number, nameless bool) []byte {
	dst = append(dst, `"metadata":{`...)
	if !nameless {
		dst = append(appendField(dst, "display_phone_number", n.display), ',')
	}
	dst = appendField(dst, "phone_number_id", n.id)
	return append(dst, '}')
}

const declined = `[{"code":2593109,"title":"History sync is turned off by the business from the WhatsApp Business App",` +
	`"message":"History sync is turned off by the business from the WhatsApp Business App",` +
	`"error_data":{"details":"History sharing is turned off by the business"}}]`
