package world

import (
	"strconv"

	"github.com/coexstream/coexstream/bench/truth"
	"github.com/coexstream/coexstream/schemas"
)

// Kinds of live items.
type liveKind uint8

const (
	liveMessage liveKind = iota
	liveUnsupported
	liveReal // what was announced as unsupported, under the same wamid
	liveEcho
	liveEdit     // an edit under a wamid of its own
	liveEditSame // an edit under the wamid of the echo that it edits
	liveRevoke
	liveStatus
	liveError
)

var liveStatuses = [...]string{"sent", "delivered", "read"}

// live is one live item: what it is about is a function of the number and of index.
type live struct {
	kind  liveKind
	index int32
	about int32 // edit, revoke: index of the echo; status: 0 to 2
}

// appendLive appends the property of the value that holds the item, and before it what goes along.
// at is the moment at which the body is first sent, in Unix seconds.
func (w *World) appendLive(dst []byte, n *number, l live, at int64, tell *truth.Part) []byte {
	d := roll(w.cfg.Seed, atLive, uint64(n.index), uint64(l.index))
	about := d
	if l.kind == liveEdit || l.kind == liveEditSame || l.kind == liveRevoke {
		about = roll(w.cfg.Seed, atLive, uint64(n.index), uint64(l.about)) // the same chat
	}
	thread := about.n(n.threads)
	at -= int64(d.n(3))
	it := truth.Item{
		WAMID: w.wamid(n, idLive, int(l.index)), Rank: schemas.RankConcrete, Timestamp: at, Direction: truth.In,
	}
	part := truth.Part{Number: n.index, Threads: []string{w.threadID(n, thread)}}
	byUser := w.byUser(n, thread)
	if byUser {
		it.User = w.user(n, thread)
	}
	var start int
	switch l.kind {
	case liveStatus:
		part.Kind = truth.KindStatus
		it.WAMID = w.wamid(n, idForeign, int(l.index))
		it.Status, it.Direction = liveStatuses[l.about], truth.Any
		it.Timestamp -= int64(2 - l.about) // every step has its own second
		dst = append(dst, `"statuses":[`...)
		start = len(dst)
		dst = appendField(append(dst, '{'), "id", it.WAMID)
		dst = appendField(append(dst, ','), "status", it.Status)
		dst = appendTime(append(dst, ','), it.Timestamp, n.numericTime)
		if byUser {
			dst = appendField(append(dst, ','), "recipient_user_id", it.User)
			it.User = "" // the thread says it
		} else {
			dst = appendField(append(dst, ','), "recipient_id", w.phone(n, thread))
		}
		dst = append(dst, `,"pricing":{"billable":true,"category":"service"}}`...)
	case liveError:
		part.Kind, part.Threads = truth.KindError, nil
		it = truth.Item{Thread: -1}
		dst = append(dst, `"errors":[`...)
		start = len(dst)
		dst = append(dst, `{"code":130429,"title":"Rate limit hit","error_data":{"details":"`...)
		dst = append(dst, w.wamid(n, idLive, int(l.index))...)
		dst = append(dst, `"}}`...)
	case liveMessage, liveUnsupported, liveReal:
		part.Kind = truth.KindMessage
		dst, part.Profiles = w.appendProfiles(dst, n, thread)
		dst = append(dst, `,"messages":[`...)
		start = len(dst)
		dst = w.appendInbound(dst, n, l, thread, &d, &it)
	default:
		part.Kind, it.Direction = truth.KindEcho, truth.Out
		dst = append(dst, `"message_echoes":[`...)
		start = len(dst)
		dst = w.appendEcho(dst, n, l, thread, &d, &it)
	}
	if tell != nil {
		it.Digest = truth.Sum(dst[start:])
		part.Items = []truth.Item{it}
		*tell = part
	}
	return append(dst, ']')
}

// appendProfiles appends value.contacts.
func (w *World) appendProfiles(dst []byte, n *number, thread int) ([]byte, truth.Digest) {
	dst = append(dst, `"contacts":`...)
	start := len(dst)
	dst = append(dst, `[{"profile":{"name":`...)
	dst = appendQuoted(dst, firstNames[thread%len(firstNames)])
	dst = append(dst, '}')
	if w.byUser(n, thread) {
		dst = appendField(append(dst, ','), "user_id", w.user(n, thread))
	} else {
		dst = appendField(append(dst, ','), "wa_id", w.phone(n, thread))
	}
	dst = append(dst, '}', ']')
	return dst, truth.Sum(dst[start:])
}

func (w *World) appendInbound(dst []byte, n *number, l live, thread int, d *dice, it *truth.Item) []byte {
	dst = append(dst, '{')
	switch {
	case !w.byUser(n, thread):
		dst = appendField(dst, "from", w.phone(n, thread))
	case d.chance(0.3):
		// The business-scoped user id may stand where the phone number used to.
		it.User = ""
		dst = appendField(dst, "from", w.user(n, thread))
	default:
		dst = appendField(dst, "from_user_id", it.User)
	}
	dst = appendField(append(dst, ','), "id", it.WAMID)
	dst = appendTime(append(dst, ','), it.Timestamp, n.numericTime)
	dst = append(dst, ',')
	switch k := d.n(10); {
	case l.kind == liveUnsupported:
		it.Type, it.Rank = "unsupported", schemas.RankPlaceholder
		dst = append(dst, `"errors":[{"code":131060,"title":"This message is currently unavailable.","message":"This message is currently unavailable."}],"type":"unsupported"`...)
	case k == 0:
		it.Type = "image"
		dst = append(dst, `"type":"image","image":{"mime_type":"image\/jpeg","sha256":"3f9d94d3","id":"2423079038317862"}`...)
	case k == 1:
		it.Type = "reaction"
		dst = append(dst, `"type":"reaction","reaction":{"message_id":"wamid.X","emoji":"\ud83d\udc4d"}`...)
	default:
		dst, it.Type = appendContent(dst, d)
	}
	return append(dst, '}')
}

func (w *World) appendEcho(dst []byte, n *number, l live, thread int, d *dice, it *truth.Item) []byte {
	if l.kind == liveEditSame {
		it.WAMID = w.wamid(n, idLive, int(l.about))
	}
	dst = appendField(append(dst, '{'), "from", n.display)
	if it.User != "" {
		dst = appendField(append(dst, ','), "to_user_id", it.User)
	} else {
		dst = appendField(append(dst, ','), "to", w.phone(n, thread))
	}
	dst = appendField(append(dst, ','), "id", it.WAMID)
	dst = appendTime(append(dst, ','), it.Timestamp, n.numericTime)
	dst = append(dst, ',')
	switch l.kind {
	case liveRevoke:
		it.Type, it.Rank, it.Original = "revoke", schemas.RankRevoke, w.wamid(n, idLive, int(l.about))
		dst = appendField(append(dst, `"type":"revoke","revoke":{`...), "original_message_id", it.Original)
		dst = append(dst, '}')
	case liveEdit, liveEditSame:
		it.Type, it.Rank, it.Original = "edit", schemas.RankEdit, w.wamid(n, idLive, int(l.about))
		dst = appendField(append(dst, `"edit":{"message":{"type":"text","text":{"body":"edited"}},`...), "original_message_id", it.Original)
		dst = append(dst, `},"type":"edit"`...)
	default:
		if d.n(10) == 0 {
			it.Type = "video"
			dst = append(dst, `"type":"video","video":{"mime_type":"video\/mp4","sha256":"ab","id":"`...)
			dst = strconv.AppendInt(dst, int64(d.n(1_000_000_000)), 10)
			dst = append(dst, `"},"message_creation_type":"created_by_1p_bot"`...)
		} else {
			dst, it.Type = appendContent(dst, d)
		}
	}
	return append(dst, '}')
}
