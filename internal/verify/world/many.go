package world

import (
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// appendCrowd appends messages of several users, or of the participants of a group, and the entries of contacts[] in
// another order.
func (s *liveSheet) appendCrowd(dst []byte) []byte {
	w, n, d := s.w, s.n, &s.d
	s.part.Kind = truth.KindMessage
	count := 2 + d.n(crowdMax-1)
	first := d.n(n.threads + crowdMax)
	entries := make([]entry, 0, count)
	for k := range count {
		e := w.profile(n, first+k, d)
		e.name = appendNumbered(e.name, k) // as many people have one name, so that each has its own here
		e.cut = d.chance(w.cfg.Odd)
		entries = append(entries, e)
	}
	ordered := append([]entry(nil), entries...)
	shuffle(d, ordered)
	var odd []byte
	oddAt := -1
	if s.odd != nil {
		oddAt = d.n(count)
		if s.odd.reason != schemas.ReasonShape && d.chance(0.3) {
			odd = s.odd.append(nil, "contacts.", 0, &s.part)
			oddAt = -1
		}
	}
	dst = append(appendEntries(dst, ordered, odd), `,"messages":[`...)
	at := 0
	for k := range count {
		if k > 0 {
			dst = append(dst, ',')
		}
		if k == oddAt {
			dst = append(s.odd.append(dst, "messages.", at, &s.part), ',')
			at++
		}
		at++
		it := truth.Item{
			WAMID: w.wamid(n, idCrowd, int(s.l.index)*crowdMax+k), Rank: schemas.RankConcrete, Timestamp: s.at, Direction: truth.In,
		}
		start := len(dst)
		var p truth.Person
		dst = append(dst, '{')
		group := ""
		if s.l.kind == liveGroup {
			group = w.group(n, s.l.index)
			dst = append(appendField(dst, "group_id", group), ',')
		}
		dst, p = s.appendInbound(dst, first+k, d, &it)
		p = entries[k].known(p)
		p.Group = group
		it.Person = s.person(p)
		dst = s.appendContent(dst, &it)
		s.item(it, dst[start:])
	}
	return append(dst, ']')
}

func appendNumbered(name string, k int) string { return name + " " + strconv.Itoa(k) }

// appendGroupStatuses appends the statuses of one message to a group, of each participant one, all of one second.
func (s *liveSheet) appendGroupStatuses(dst []byte) []byte {
	w, n, d := s.w, s.n, &s.d
	s.part.Kind = truth.KindStatus
	count := 2 + d.n(crowdMax-1)
	first := d.n(n.threads + crowdMax)
	group, wamid, status := w.group(n, s.l.index), w.wamid(n, idForeign, int(s.l.index)), liveStatuses[d.n(3)]
	oddAt := -1
	if s.odd != nil {
		oddAt = d.n(count)
	}
	dst = append(dst, `"statuses":[`...)
	at := 0
	for k := range count {
		if k > 0 {
			dst = append(dst, ',')
		}
		if k == oddAt {
			dst = append(s.odd.append(dst, "statuses.", at, &s.part), ',')
			at++
		}
		at++
		it := truth.Item{WAMID: wamid, Status: status, Timestamp: s.at, Direction: truth.Out}
		p := truth.Person{Group: group}
		start := len(dst)
		dst = appendField(append(dst, '{'), "id", wamid)
		dst = appendField(append(dst, ','), "status", status)
		dst = appendTime(append(dst, ','), s.at, n.numericTime)
		dst = appendField(append(dst, ','), "recipient_id", group)
		dst = append(dst, `,"recipient_type":"group",`...)
		if w.byUser(n, first+k) {
			p.User = w.user(n, first+k)
			dst = appendField(dst, "recipient_participant_user_id", p.User)
		} else {
			p.Phone = n.respelt(w.phone(n, first+k), d)
			dst = appendField(dst, [...]string{"recipient_participant_id", "participant_recipient_id"}[d.n(2)], p.Phone)
		}
		dst = append(dst, '}')
		it.Person = s.person(p)
		s.item(it, dst[start:])
	}
	return append(dst, ']')
}

// appendHandover appends the properties of a change about the control of a thread.
func (s *liveSheet) appendHandover(dst []byte) []byte {
	w, n, d := s.w, s.n, &s.d
	s.part.Kind = truth.KindHandover
	thread := d.n(n.threads)
	it := truth.Item{Timestamp: s.at, Direction: truth.Unknown, Type: [...]string{"control_passed", "control_taken"}[d.n(2)]}
	var p truth.Person
	dst = append(dst, `"recipient":{`...)
	dst = appendField(dst, "display_phone_number", n.display)
	dst = appendField(append(dst, ','), "phone_number_id", n.id)
	dst = append(dst, `},"sender":{`...)
	if w.byUser(n, thread) {
		p.User = w.user(n, thread)
		dst = appendField(dst, "user_id", p.User)
	} else {
		p.Phone = n.respelt(w.phone(n, thread), d)
		dst = appendField(dst, "phone_number", p.Phone)
	}
	dst = appendField(append(dst, '}', ','), "type", it.Type)
	dst = appendTime(append(dst, ','), s.at, n.numericTime)
	dst = append(dst, `,"`...)
	dst = append(dst, it.Type...)
	dst = append(dst, `":{"previous_owner_role":"ai_agent","new_owner_role":"escalation","metadata":"`...)
	dst = strconv.AppendInt(dst, int64(s.l.index), 10)
	dst = append(dst, `"}`...)
	it.Person = s.person(p)
	s.part.Items = []truth.Item{it} // its digest is that of the whole value
	return dst
}
