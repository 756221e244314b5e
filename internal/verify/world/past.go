package world

import (
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

var statuses = [...]string{"READ", "READ", "READ", "DELIVERED", "DELIVERED", "SENT", "PLAYED", "PENDING", "ERROR"}

var lowerStatuses = map[string]string{
	"READ": "read", "DELIVERED": "delivered", "SENT": "sent", "PLAYED": "played", "PENDING": "pending", "ERROR": "error",
}

// outbound reports whether a past message came from the business.
func (w *World) outbound(n *number, message int) bool {
	d := roll(w.cfg.Seed, atMessage, uint64(n.index), uint64(message))
	return d.chance(0.5)
}

// placeholder reports whether a past message is a media placeholder.
func (w *World) placeholder(n *number, message int) bool {
	d := roll(w.cfg.Seed, atMedia, uint64(n.index), uint64(message))
	return d.chance(w.cfg.Media) && !n.ycloud
}

// appendPast appends one past message. copied is set for a repetition in another chunk: the same message, sometimes
// with another status.
func (w *World) appendPast(dst []byte, n *number, message, thread int, copied bool, it *truth.Item) []byte {
	d := roll(w.cfg.Seed, atMessage, uint64(n.index), uint64(message))
	out := d.chance(0.5)
	status := statuses[d.n(len(statuses))]
	placeholder := w.placeholder(n, message)
	if copied {
		c := roll(w.cfg.Seed, atCopy, uint64(n.index), uint64(message))
		if c.chance(0.3) {
			status = statuses[c.n(len(statuses))]
		}
		// Old media, of which no asset follows, may be concrete in one chunk and a placeholder in another.
		placeholder = placeholder && (w.age(n, message) < 15*day || !c.chance(0.3))
	}
	ts := w.timestamp(n, message)
	*it = truth.Item{
		WAMID: w.wamid(n, idPast, message), Rank: schemas.RankConcrete, Timestamp: ts, Direction: truth.In, Status: status,
	}
	byUser := w.byUser(n, thread)
	dst = append(dst, '{')
	how := roll(w.cfg.Seed, atMessage, uint64(n.index), uint64(message), 1)
	nobody := how.chance(w.cfg.NoSender)
	stand := ""
	if copied && !placeholder && !nobody && how.chance(w.cfg.Unsupported) {
		stand = announcements[how.n(len(announcements))]
		if stand == "" {
			stand = "errors"
		}
	}
	switch {
	case nobody && out && byUser:
		it.Direction = truth.Out
		dst = appendField(dst, "to_user_id", w.user(n, thread))
	case nobody && out:
		it.Direction = truth.Out
		dst = appendField(dst, "to", n.respelt(w.phone(n, thread), &how))
	case nobody && !(byUser && n.noName):
		// To the business: whose number is known, or who is not the user.
		dst = appendField(dst, "to", n.respelt(n.display, &how))
	case out:
		it.Direction = truth.Out
		dst = appendField(dst, "from", n.respelt(n.display, &how))
		if n.to && !byUser {
			dst = appendField(append(dst, ','), "to", n.respelt(w.phone(n, thread), &how))
		}
		if byUser && n.noName && !n.fromMe {
			it.Direction = truth.OutOrUnknown
		}
	case byUser && d.chance(0.5):
		dst = appendField(dst, "from_user_id", w.user(n, thread))
		if d.chance(0.3) {
			dst = append(dst, `,"from":""`...)
		}
	case byUser:
		dst = appendField(dst, "from", w.user(n, thread))
	default:
		dst = appendField(dst, "from", n.respelt(w.phone(n, thread), &how))
	}
	dst = appendField(append(dst, ','), "id", it.WAMID)
	dst = appendTime(append(dst, ','), ts, n.numericTime)
	dst = append(dst, ',')
	switch {
	case stand != "":
		it.Type, it.Rank = stand, schemas.RankPlaceholder
		dst = append(appendField(dst, "type", stand), `,"errors":[{"code":131060}]`...)
	case placeholder:
		it.Type, it.Rank = "media_placeholder", schemas.RankPlaceholder
		dst = append(dst, `"type":"media_placeholder"`...)
	default:
		dst, it.Type = appendContent(dst, &d)
	}
	if n.lowerStatus {
		status = lowerStatuses[status]
	}
	dst = appendField(append(dst, `,"history_context":{`...), "status", status)
	if out && n.fromMe {
		dst = append(dst, `,"from_me":true`...)
	}
	return append(dst, '}', '}')
}

// appendContent appends the type and the content of a message that is no media.
func appendContent(dst []byte, d *dice) ([]byte, string) {
	k := d.n(100)
	switch {
	case k < 92:
		dst = append(dst, `"type":"text","text":{"body":`...)
		return append(appendText(dst, d, 4, 30), '}'), "text"
	case k < 94:
		dst = append(dst, `"location":{"latitude":37.4847`...)
		dst = strconv.AppendInt(dst, int64(d.n(1000)), 10)
		dst = append(dst, `,"longitude":-122.1473,"name":`...)
		return append(appendText(dst, d, 1, 4), `},"type":"location"`...), "location"
	case k < 95:
		dst = append(dst, `"type":"contacts","contacts":[{"name":{"formatted_name":`...)
		dst = appendText(dst, d, 1, 2)
		return append(dst, `},"phones":[{"phone":"+1 650-555-0100","type":"CELL"}]}]`...), "contacts"
	case k < 97:
		return append(dst, `"type":"button","button":{"payload":"yes","text":"Yes"}`...), "button"
	case k < 98:
		return append(dst, `"type":"order","order":{"catalog_id":"1","product_items":[{"item_price":1.50e1,"quantity":2,"currency":"USD"}]}`...), "order"
	case k < 99:
		// A type that is not documented.
		return append(dst, `"type":"poll_creation","poll_creation":{"options":[null,true,-0.5e-3,{}],"depth":[[[[]]]]}`...), "poll_creation"
	}
	dst = append(dst, `"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"1","title":`...)
	return append(appendText(dst, d, 1, 3), '}', '}'), "interactive"
}

// appendField appends a name and a string that needs no escapes.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':', '"')
	dst = append(dst, value...)
	return append(dst, '"')
}

func appendTime(dst []byte, seconds int64, numeric bool) []byte {
	dst = append(dst, `"timestamp":`...)
	if numeric {
		return strconv.AppendInt(dst, seconds, 10)
	}
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, seconds, 10)
	return append(dst, '"')
}
