package split

import (
	"bytes"
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// The output of a body is bounded by its bytes (ADR 0036). The costs of its parts are added up before any is processed,
// and parts over the bound are left out, like odd ones. The result depends only on the body, not on when a part leaves
// or on earlier webhooks.

// Bounds are the bounds of the events of a body.
type Bounds struct {
	EventBytesMax int // of an event's value
	OtherBytesMax int // of the value of an event with a whole change; 0: no limit
	HeaderBytes   int // of the record's headers in each event, beside those that all events have
	// Forced accepts a first chunk that exceeds the bound by itself: a requeue asked for it.
	Forced bool
	// Account reports whether a change is an account event: its event is bounded by EventBytesMax.
	Account func(c *Change) bool
	// Chosen reports whether a change is to be processed at all; nil: each is.
	Chosen func(i int, c *Change) bool
}

const (
	// OutputPerByte is the maximum of bytes of events, state and syncs for a byte of a body. The shortest real
	// messages and statuses need six to seven.
	OutputPerByte = 8
	// OutputBytesFree is the output that any body may have.
	OutputBytesFree = 512 << 10

	// ChangesMax bounds the changes of a body. Senders batch up to 1,000.
	ChangesMax = 4096
	// ElementsMax bounds the elements of history[] of a body, over all of its changes.
	ElementsMax = 4096

	// errorsMax bounds the errors of one list. Each is an event.
	errorsMax = 256

	// The cost of a part beside its own bytes and ids: headers, names of properties, and state.
	eventCost   = 570
	contactCost = 750
	elementCost = 350
	numberCost  = 1000
	waitCost    = 480 // of a follow-up that waits in state for its placeholder, and of its removal, beside its content
	syncCost    = 2500
	accountCost = 1500
)

// bound tracks how much of a body is processed.
type bound struct {
	Bounds
	b           *Body
	total, left int
	elements    int
	every       int // cost of each event of the change beside its part
	profiles    int
	whole       bool // the change leaves verbatim
	keys        int  // the number in a key of state
	change      int32
}

// Bound leaves out the parts of a body that exceed the bounds. It records them as Places of their changes and as
// Rest. Call Only before it. A body is bounded once: later calls, for its next part, change nothing.
func (b *Body) Bound(l Bounds) {
	if b.bounded {
		return
	}
	b.bounded, b.Rest = true, len(b.Changes)
	if b.small() {
		return
	}
	total := OutputPerByte*b.bytes + OutputBytesFree
	w := bound{Bounds: l, b: b, total: total, left: total}
	places := len(b.Places)
	chosen := 0
	for i := range b.Changes {
		c := &b.Changes[i]
		if c.Refused || l.Chosen != nil && !l.Chosen(i, c) {
			continue
		}
		chosen++
		w.change = int32(i)
		head := w.head(i, c)
		switch {
		case chosen > ChangesMax:
			b.rest(i, schemas.ReasonTooManyItems, "more than 4096 changes in a body")
		case head < 0 || head > w.total:
			w.refuse(c, head)
			continue
		case head > w.left:
			b.rest(i, schemas.ReasonOutputTooLarge, detailOutput)
		}
		if b.Rest == i {
			break
		}
		w.left -= head
		if !w.whole && w.parts(c) {
			if i+1 < len(b.Changes) {
				b.rest(i+1, c.Odd.Reason, c.Odd.Detail)
			}
			break
		}
	}
	if len(b.Places) > places {
		slices.SortStableFunc(b.Places, func(x, y Place) int { return int(x.Change) - int(y.Change) })
	}
}

// small reports whether nothing of a body can exceed a bound, for any content. This holds for most live
// webhooks.
func (b *Body) small() bool {
	const bytesMax, itemsMax = 4 << 10, 4
	if b.bytes > bytesMax || b.items > itemsMax {
		return false
	}
	for i := range b.Changes {
		c := &b.Changes[i]
		if len(c.Errors)+len(c.History) > 0 {
			return false
		}
	}
	return true
}

const detailOutput = "its events would have more than 8 times the body's bytes"

// rest leaves out a change and all that follow it.
func (b *Body) rest(i int, reason schemas.Reason, detail string) {
	b.Rest, b.Over = i, Error{Reason: reason, Detail: detail}
}

// head returns the cost of a change beside its parts, or as a whole if it has none. It is negative if one of its
// events would be too long.
func (w *bound) head(i int, c *Change) int {
	b := w.b
	waba, number, display := spelled(c.WABA), spelled(c.PhoneNumberID), spelled(c.DisplayPhoneNumber)
	w.keys = keyed(c.WABA) + keyed(c.PhoneNumberID)
	ids := w.keys + display
	w.every = eventCost + w.HeaderBytes + waba + 2*number + display + w.keys
	if w.profiles = c.profilesCost; w.profiles == 0 {
		w.profiles = profilesCost(c.Profiles)
	}
	n := 4 * ids
	if i == 0 || !bytes.Equal(c.WABA, b.Changes[i-1].WABA) || !bytes.Equal(c.PhoneNumberID, b.Changes[i-1].PhoneNumberID) {
		n += numberCost + 4*ids
		if len(c.History) > 0 {
			n += syncCost
		}
	}
	parts := len(c.History) + len(c.Messages) + len(c.Echoes) + len(c.Statuses) + len(c.StateSync) + len(c.Handovers)
	if w.whole = parts == 0 && len(c.Errors) == 0 && !c.Partial || !carriesParts(c.Field) && string(c.Field) != fieldHandovers; w.whole {
		whole := w.every + max(len(c.Raw), len(c.Value)) + len(c.Field)
		most := w.OtherBytesMax
		if w.Account != nil && w.Account(c) {
			most = w.EventBytesMax
		}
		if most > 0 && whole > most {
			return -1
		}
		return n + whole + accountCost
	}
	for k := range c.Handovers {
		n += w.message(&c.Handovers[k], 0)
	}
	if len(c.Errors) > 0 {
		each := bytes.Count(c.Errors, []byte{'{'}) + 1
		if each > errorsMax {
			return w.total + 1
		}
		n += each*(w.every+w.profiles) + 3*len(c.Errors) + len(c.Raw)
	}
	return n
}

// refuse leaves out a whole change: it exceeds the bound alone, or its event is too long.
func (w *bound) refuse(c *Change, head int) {
	odd := Error{Reason: schemas.ReasonOutputTooLarge, Detail: detailOutput}
	if head < 0 {
		odd = Error{Reason: schemas.ReasonEventTooLong, Detail: detailEvent}
	}
	c.empty()
	c.Errors, c.Beside, c.Handovers = nil, nil, nil
	c.Odd, c.Cut, c.Refused, c.Over = odd, 1, true, true
}

const detailEvent = "an event would be longer than the limit"

// parts adds up the parts of a change. over reports that no room is left.
func (w *bound) parts(c *Change) (over bool) {
	for e := range c.History {
		el := &c.History[e]
		if el.Out {
			continue
		}
		if over {
			el.leaveOut()
			continue
		}
		w.elements++
		n := w.element(c, el, int32(e))
		switch fresh := w.elements == 1 && w.Forced; {
		case n > w.total && !fresh:
			w.out(c, Place{kind: placeElement, element: int32(e)}, schemas.ReasonOutputTooLarge, detailOutput)
			el.leaveOut()
			continue
		case w.elements > ElementsMax:
			w.out(c, Place{kind: placeElement, element: int32(e), rest: true}, schemas.ReasonTooManyItems, "more than 4096 elements of history in a body")
			over = true
		case n > w.left && !fresh:
			w.out(c, Place{kind: placeElement, element: int32(e), rest: true}, schemas.ReasonOutputTooLarge, detailOutput)
			over = true
		}
		if over {
			el.leaveOut()
			continue
		}
		w.left = max(w.left-n, 0)
	}
	over = w.messages(c, &c.Messages, placeMessage, over)
	over = w.messages(c, &c.Echoes, placeEcho, over)
	over = w.messages(c, &c.Statuses, placeStatus, over)
	return w.contacts(c, over)
}

// leaveOut leaves an element out. It stays as a gap.
func (e *HistoryElement) leaveOut() { *e = HistoryElement{Out: true} }

// out records a part that is left out.
func (w *bound) out(c *Change, p Place, reason schemas.Reason, detail string) {
	p.Change = w.change
	if c.Odd.Reason == "" {
		c.Odd = Error{Reason: reason, Detail: detail}
	}
	c.Cut++
	c.Over = true
	if len(w.b.Places) < 2*placesMax {
		w.b.Places = append(w.b.Places, p)
	}
}

// element returns the cost of an element of history[]. Messages that are too long for an event are left out of it.
func (w *bound) element(c *Change, el *HistoryElement, e int32) int {
	n := elementCost + 5*w.keys // it is held, leaves with a page of messages, and both are removed later
	if len(el.Errors) > 0 {
		each := bytes.Count(el.Errors, []byte{'{'}) + 1
		if each > errorsMax {
			return w.total + 1
		}
		n += each*w.every + 3*len(el.Errors) + len(el.Raw)
	}
	for t := range el.Threads {
		th := &el.Threads[t]
		ids := th.cost() + w.profiles
		for k := 0; k < len(th.Messages); k++ {
			m := &th.Messages[k]
			if cost := w.message(m, ids); !w.tooLong(m, cost) {
				n += cost
				continue
			}
			w.out(c, Place{kind: placePast, element: e, thread: int32(t), index: m.Index}, schemas.ReasonEventTooLong, detailEvent)
			th.Messages = slices.Delete(th.Messages, k, k+1)
			k--
		}
	}
	return n
}

// cost is the thread's part of the cost of each of its messages.
func (th *Thread) cost() int {
	return 3*(spelled(th.ID)+spelled(th.GroupID)) + spelled(th.WaID) + spelled(th.UserID) + spelled(th.ParentUserID) + spelled(th.Username) + spelled(th.CountryCode)
}

// message returns the cost of a message's event.
func (w *bound) message(m *Message, more int) int {
	n := w.every + more + len(m.Raw) + 2*idCost(m.ID) + 4*(idCost(m.From)+idCost(m.To)) + 2*(idCost(m.FromUserID)+idCost(m.ToUserID)) +
		4*(idCost(m.RecipientID)+idCost(m.RecipientUserID)) + idCost(m.Type) + idCost(m.Status) + idCost(m.OriginalID)
	if m.Names != nil {
		n += len(m.Raw) // each error is in the event, and few are in it twice
	}
	return n
}

// tooLong reports whether an event's value may exceed the limit. It is an estimate, and counts the headers too.
func (w *bound) tooLong(m *Message, cost int) bool {
	return cost > w.EventBytesMax && len(m.Raw)+w.profiles+eventCost > w.EventBytesMax || cost-len(m.Raw) > w.EventBytesMax
}

// messages adds up an array of a value.
func (w *bound) messages(c *Change, list *[]Message, kind placeKind, over bool) bool {
	for k := 0; k < len(*list); k++ {
		m := &(*list)[k]
		cost := w.message(m, w.profiles)
		if mayWait(c, m) {
			cost += waitCost + 2*w.keys + 2*len(m.Raw)
		}
		switch {
		case over || cost > w.left:
			w.out(c, Place{kind: kind, index: m.Index, rest: true}, schemas.ReasonOutputTooLarge, detailOutput)
			*list = (*list)[:k]
			return true
		case w.tooLong(m, cost):
			w.out(c, Place{kind: kind, index: m.Index}, schemas.ReasonEventTooLong, detailEvent)
			*list = slices.Delete(*list, k, k+1)
			k--
		default:
			w.left -= cost
		}
	}
	return over
}

// mayWait reports whether a message may be a follow-up of a placeholder that has not come.
func mayWait(c *Change, m *Message) bool {
	switch string(c.Field) {
	case fieldHistory:
		return true
	case fieldEchoes:
		switch string(m.Type) {
		case "image", "video", "audio", "voice", "document", "sticker":
			return true
		}
	}
	return false
}

func (w *bound) contacts(c *Change, over bool) bool {
	for k := 0; k < len(c.StateSync); k++ {
		item := &c.StateSync[k]
		ids := idCost(item.PhoneNumber) + idCost(item.UserID)
		cost := w.every - eventCost + contactCost + len(item.Raw) + 6*ids + idCost(item.FullName) + idCost(item.FirstName) + idCost(item.Username)
		if ids > idCost(item.PhoneNumber) && len(item.PhoneNumber) > 0 {
			cost += contactCost // the row of another contact may change for a contact with two ids
		}
		switch {
		case over || cost > w.left:
			w.out(c, Place{kind: placeContact, index: item.Index, rest: true}, schemas.ReasonOutputTooLarge, detailOutput)
			c.StateSync = c.StateSync[:k]
			return true
		case cost > w.EventBytesMax:
			w.out(c, Place{kind: placeContact, index: item.Index}, schemas.ReasonEventTooLong, detailEvent)
			c.StateSync = slices.Delete(c.StateSync, k, k+1)
			k--
		default:
			w.left -= cost
		}
	}
	return over
}

// shortBytes is the length up to which a text is counted exactly. A longer one may have only characters that JSON
// writes as six bytes.
const shortBytes = 128

func idCost(id []byte) int {
	if len(id) <= shortBytes {
		return len(id)
	}
	return 6 * len(id)
}

// keyed returns the length of an id in ce_source and in keys of state, where it is URL-encoded.
func keyed(id []byte) int {
	n := len(id)
	for _, c := range id {
		if c-'0' >= 10 && (c|0x20)-'a' >= 26 {
			n += 2
		}
	}
	return n
}

// spelled returns the length of a text in JSON. It is for texts that many events repeat.
func spelled(text []byte) int {
	for i, c := range text {
		if c-'0' >= 10 { // nearly all are digits
			return spelledFrom(text, i)
		}
	}
	return len(text)
}

func spelledFrom(text []byte, i int) int {
	n := len(text)
	for j := i; j < len(text); j++ {
		switch c := text[j]; {
		case c < ' ' || c == '"' || c == '\\' || c == 0x7f:
			n += 5
		case c == 0xe2 && j+2 < len(text) && text[j+1] == 0x80 && text[j+2]|1 == 0xa9: // the line and paragraph separators
			n += 3
		}
	}
	return n
}

// profilesCost returns the maximum that an event has of contacts[]: the few entries about its contact.
func profilesCost(profiles []Profile) int {
	sum, most, names := 0, 0, 0
	for i := range profiles {
		p := &profiles[i]
		sum += len(p.Raw)
		most = max(most, len(p.Raw))
		names = max(names, spelled(p.Name)+spelled(p.Username)+spelled(p.CountryCode)+spelled(p.UserID)+spelled(p.ParentUserID))
	}
	return min(sum, ProfilesMax*most) + names
}

// ProfilesMax bounds the entries of contacts[] in an event. Real webhooks have one for each contact.
const ProfilesMax = 4

// Fit leaves out of one element of history[] the parts that Bound would. Its body was processed before, and was read
// again.
func (b *Body) Fit(change, element int, l Bounds) {
	of, el := b.Chunk(change, element)
	c := *of // the faults have been reported
	w := bound{Bounds: l, b: &Body{}, total: 1}
	w.head(0, &c)
	w.element(&c, el, int32(element))
}
