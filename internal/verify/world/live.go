package world

import (
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// Kinds of live items.
type liveKind uint8

const (
	liveMessage liveKind = iota
	liveUnsupported
	liveReal // the message after its unsupported placeholder, under the same wamid
	liveTwin // a message again, under its second wamid
	liveEcho
	liveEdit     // an edit under a wamid of its own
	liveEditSame // an edit under the wamid of the echo that it edits
	liveRevoke
	liveStatus
	liveStatusElse // a status of the message, name and second of another one, that says something else
	liveError
	liveCrowd       // messages of several users
	liveGroup       // messages of a group's participants
	liveGroupStatus // statuses of one message to a group, of one second
	liveHandover
)

// crowdMax is how many messages a body of several has at most.
const crowdMax = 12

var liveStatuses = [...]string{"sent", "delivered", "read"}

// live is one live item. Its content is a function of the number and of index.
type live struct {
	kind    liveKind
	index   int32
	about   int32 // edit, revoke: index of the echo; edit under the same wamid: index of the echo, and index is its own; status: 0 to 2
	standby bool  // a copy of what another application answers
	odd     int8  // invalid part among the valid ones
}

func (k liveKind) echo() bool { return k >= liveEcho && k <= liveRevoke }

// liveSheet collects the items of one live webhook.
type liveSheet struct {
	w    *World
	n    *number
	l    live
	at   int64
	d    dice
	part truth.Part
	odd  *oddPart
}

// person is the index of a person among those of the part.
func (s *liveSheet) person(p truth.Person) int {
	s.part.People = append(s.part.People, p)
	return len(s.part.People) - 1
}

// item notes an item that begins at start.
func (s *liveSheet) item(it truth.Item, object []byte) {
	it.Digest = truth.Sum(object)
	s.part.Items = append(s.part.Items, it)
}

// appendLive appends the properties of the value that hold the items, and what goes along.
// at is the moment at which the body is first sent, in Unix seconds.
func (w *World) appendLive(dst []byte, n *number, l live, at int64, tell *truth.Part) []byte {
	s := &liveSheet{w: w, n: n, l: l, d: roll(w.cfg.Seed, atLive, uint64(n.index), uint64(l.index)), odd: oddOf(l.odd)}
	s.part = truth.Part{Number: n.index, Standby: l.standby}
	// The copies stand in an object of their own, or in the value itself.
	nested := l.standby && l.index%3 > 0
	if nested {
		dst = append(dst, `"standby":{`...)
	}
	switch l.kind {
	case liveCrowd, liveGroup:
		s.at = at - int64(s.d.n(3))
		dst = s.appendCrowd(dst)
	case liveGroupStatus:
		s.at = at - int64(s.d.n(3))
		dst = s.appendGroupStatuses(dst)
	case liveHandover:
		s.at = at
		dst = s.appendHandover(dst)
	default:
		dst = s.appendOne(dst, at)
	}
	if nested {
		dst = append(dst, '}')
	}
	if tell != nil {
		*tell = s.part
	}
	return dst
}

// pastOf is the message of the past to whose chat a live message belongs, if it is a reaction as one to that message, or of
// which a status speaks: one that came from the business. Each item has another one, so that no two say the same. It
// is -1 where there is none: the item is then about a message that no topic has.
func (w *World) pastOf(n *number, l live) int {
	past := int(l.index)
	if n.declined || past >= n.messages() {
		return -1
	}
	switch l.kind {
	case liveMessage, liveUnsupported, liveReal, liveTwin:
		return past
	case liveStatus, liveStatusElse:
		if w.outbound(n, past) {
			return past
		}
	}
	return -1
}

// appendOne appends one item.
func (s *liveSheet) appendOne(dst []byte, at int64) []byte {
	w, n, l, d := s.w, s.n, s.l, &s.d
	about := *d
	if l.kind == liveEdit || l.kind == liveEditSame || l.kind == liveRevoke {
		about = roll(w.cfg.Seed, atLive, uint64(n.index), uint64(l.about)) // the same chat
	}
	thread := about.n(n.threads)
	past := w.pastOf(n, l)
	if past >= 0 {
		thread = w.thread(n, past)
	}
	at -= int64(d.n(3))
	it := truth.Item{
		WAMID: w.wamid(n, idLive, int(l.index)), Rank: schemas.RankConcrete, Timestamp: at, Direction: truth.In,
	}
	// The spelling does not change the content.
	how := roll(w.cfg.Seed, atLive, uint64(n.index), uint64(l.index), uint64(l.kind), uint64(l.about))
	var start int
	switch l.kind {
	case liveStatus, liveStatusElse:
		s.part.Kind = truth.KindStatus
		it.WAMID = w.wamid(n, idForeign, int(l.index))
		if past >= 0 {
			it.WAMID = w.wamid(n, idPast, past)
		}
		it.Status, it.Direction = liveStatuses[l.about%3], truth.Out
		it.Timestamp -= int64(2 - l.about%3) // every step has its own second
		var p truth.Person
		e := w.profile(n, thread, &how)
		if how.chance(0.2) && w.cfg.Crowds > 0 {
			dst = append(appendEntries(dst, []entry{e}, nil), ',')
			p = e.known(p)
		}
		dst = append(dst, `"statuses":[`...)
		start = len(dst)
		dst = appendField(append(dst, '{'), "id", it.WAMID)
		dst = appendField(append(dst, ','), "status", it.Status)
		dst = appendTime(append(dst, ','), it.Timestamp, n.numericTime)
		if w.byUser(n, thread) {
			p.User = w.user(n, thread)
			dst = appendField(append(dst, ','), "recipient_user_id", p.User)
		} else {
			p.Phone = n.respelt(w.phone(n, thread), &how)
			dst = appendField(append(dst, ','), "recipient_id", p.Phone)
		}
		it.Person = s.person(p)
		if l.kind == liveStatusElse {
			dst = append(dst, `,"pricing":{"billable":false,"category":"marketing"},"errors":[{"code":131047}]}`...)
		} else {
			dst = append(dst, `,"pricing":{"billable":true,"category":"service"}}`...)
		}
	case liveError:
		s.part.Kind = truth.KindError
		it = truth.Item{Person: -1, Direction: truth.Unknown}
		alone := how.chance(w.cfg.Aliases)
		if alone {
			dst = append(dst, `"error":`...)
		} else {
			dst = append(dst, `"errors":[`...)
		}
		start = len(dst)
		dst = append(dst, `{"code":130429,"title":"Rate limit hit","error_data":{"details":"`...)
		dst = append(dst, w.wamid(n, idLive, int(l.index))...)
		dst = append(dst, `"}}`...)
		if alone {
			s.item(it, dst[start:])
			return dst
		}
	case liveMessage, liveUnsupported, liveReal, liveTwin:
		s.part.Kind = truth.KindMessage
		e := w.profile(n, thread, &how)
		dst = append(appendEntries(dst, []entry{e}, nil), `,"messages":[`...)
		start = len(dst)
		if l.kind == liveTwin {
			it.Twin, it.WAMID = it.WAMID, w.twin(n, idLive, int(l.index), thread)
		}
		var p truth.Person
		dst, p = s.appendInbound(append(dst, '{'), thread, &how, &it)
		dst = s.appendContent(dst, &it)
		it.Person = s.person(e.known(p))
	default:
		s.part.Kind, it.Direction = truth.KindEcho, truth.Out
		dst = s.appendEcho(dst, thread, &how, &it, &start)
	}
	s.item(it, dst[start:])
	return append(dst, ']')
}

// appendInbound appends who sent a message, its id and time.
func (s *liveSheet) appendInbound(dst []byte, thread int, how *dice, it *truth.Item) ([]byte, truth.Person) {
	w, n := s.w, s.n
	var p truth.Person
	if w.byUser(n, thread) {
		p.User = w.user(n, thread)
		// The business-scoped user id may stand where the phone number used to.
		name := "from_user_id"
		if how.chance(0.3) {
			name = "from"
		}
		dst = appendField(dst, name, p.User)
	} else {
		p.Phone = n.respelt(w.phone(n, thread), how)
		dst = appendField(dst, "from", p.Phone)
	}
	dst = appendField(append(dst, ','), "id", it.WAMID)
	return append(appendTime(append(dst, ','), it.Timestamp, n.numericTime), ','), p
}

// Types of placeholders before the real message. Without a type, or without the content that it names, the errors say it.
var announcements = [...]string{"unsupported", "unsupported", "errors", "unknown", "", "image", "text"}

// appendContent appends a message's content, and ends it.
func (s *liveSheet) appendContent(dst []byte, it *truth.Item) []byte {
	d := &s.d
	switch k := d.n(10); {
	case s.l.kind == liveUnsupported:
		it.Rank = schemas.RankPlaceholder
		it.Type = announcements[d.n(len(announcements))]
		dst = append(dst, `"errors":[{"code":131060,"title":"This message is currently unavailable.","message":"This message is currently unavailable."}]`...)
		if it.Type != "" {
			dst = appendField(append(dst, ','), "type", it.Type)
		}
	case k == 0:
		it.Type = "image"
		dst = append(dst, `"type":"image","image":{"mime_type":"image\/jpeg","sha256":"3f9d94d3","id":"2423079038317862"}`...)
	case k == 1:
		it.Type = "reaction"
		to := "wamid.X"
		if past := s.w.pastOf(s.n, s.l); past >= 0 {
			to = s.w.wamid(s.n, idPast, past)
		}
		dst = appendField(append(dst, `"type":"reaction","reaction":{`...), "message_id", to)
		dst = append(dst, `,"emoji":"\ud83d\udc4d"}`...)
	default:
		dst, it.Type = appendContent(dst, d)
	}
	return append(dst, '}')
}

// Names of the array of echoes.
const (
	echoesName  = `"message_echoes":[`
	echoesAlias = `"smb_message_echoes":[`
)

// alias reports whether a webhook goes by another name.
func (w *World) alias(n *number, index int32) bool {
	d := roll(w.cfg.Seed, atOther, uint64(n.index), uint64(index))
	return d.chance(w.cfg.Aliases)
}

func (s *liveSheet) appendEcho(dst []byte, thread int, how *dice, it *truth.Item, start *int) []byte {
	w, n, l, d := s.w, s.n, s.l, &s.d
	var p truth.Person
	// Without a receiver the only entry of contacts[] says who it is.
	nobody := w.cfg.Crowds > 0 && how.chance(0.15)
	if nobody || w.cfg.Crowds > 0 && how.chance(0.1) {
		e := w.profile(n, thread, how)
		dst = append(appendEntries(dst, []entry{e}, nil), ',')
		p = e.known(p)
	}
	if w.alias(n, l.index) && how.chance(0.5) {
		dst = append(dst, echoesAlias...)
	} else {
		dst = append(dst, echoesName...)
	}
	*start = len(dst)
	if l.kind == liveEditSame {
		it.WAMID = w.wamid(n, idLive, int(l.about))
	}
	dst = appendField(append(dst, '{'), "from", n.respelt(n.display, how))
	switch {
	case nobody:
	case w.byUser(n, thread):
		p.User = w.user(n, thread)
		dst = appendField(append(dst, ','), "to_user_id", p.User)
	default:
		p.Phone = n.respelt(w.phone(n, thread), how)
		dst = appendField(append(dst, ','), "to", p.Phone)
	}
	it.Person = s.person(p)
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
		dst = append(dst, `"edit":{"message":{"type":"text","text":{"body":"edited `...)
		dst = strconv.AppendInt(dst, int64(l.index), 10)
		dst = appendField(append(dst, `"}},`...), "original_message_id", it.Original)
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
