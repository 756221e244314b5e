package merge

import (
	"time"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/syncrequest"
	"github.com/coexstream/coexstream/schemas/syncstatus"
)

// Place is the place of a record in its topic.
type Place struct {
	Partition int32
	Offset    int64
}

// Rows are the rows of a batch, by their keys.
type Rows struct {
	Messages     map[MessageKey]*Message
	Participants map[ParticipantKey]*Participant
	Reactions    map[ReactionKey]*Reaction
	Contacts     map[ContactKey]*Contact
	Numbers      map[string]*Number
	Businesses   map[string]*Business
	Syncs        map[SyncKey]*Sync
	Notes        map[string]*Note
	Assets       map[AssetKey]*Asset
}

// NewRows returns an empty set of rows.
func NewRows() *Rows {
	return &Rows{
		Messages: map[MessageKey]*Message{}, Participants: map[ParticipantKey]*Participant{}, Reactions: map[ReactionKey]*Reaction{},
		Contacts: map[ContactKey]*Contact{}, Numbers: map[string]*Number{}, Businesses: map[string]*Business{},
		Syncs: map[SyncKey]*Sync{}, Notes: map[string]*Note{}, Assets: map[AssetKey]*Asset{},
	}
}

// put joins a part of a row to the rows of a batch.
func put[K comparable, T any, P interface {
	*T
	Join(*T) bool
}](rows map[K]*T, key K, part T) {
	if row, ok := rows[key]; ok {
		P(row).Join(&part)
		return
	}
	rows[key] = &part
}

// Add adds an event.
func (r *Rows) Add(e *event.Event, at Place) {
	a := adding{rows: r, e: e, place: at}
	if len(e.Value) > 0 {
		a.digest = digestOf(e.Value)
	}
	switch {
	case e.Message != nil:
		a.message(e.Message)
	case e.Topic == schemas.TopicContacts:
		a.contact()
	case e.Topic == schemas.TopicSyncs:
		a.sync()
	case e.Account != nil:
		a.account(e.Account)
	case e.Other != nil:
		a.other(e.Other)
	case e.Asset != nil:
		a.asset(e.Asset)
	}
}

// adding is one event that becomes rows.
type adding struct {
	rows   *Rows
	e      *event.Event
	place  Place
	digest uint64
}

func (a *adding) message(m *schemas.Message) {
	number := clean(m.PhoneNumberID)
	a.known(m.WABAID, number, m.DisplayPhoneNumber)
	a.person(number, m)
	kind := kindOf(a.e.Type, m)
	key := MessageKey{number, clean(m.WAMID)}
	switch kind {
	case schemas.KindStatus:
		if key.WAMID == "" {
			a.note(kind, m)
			return
		}
		a.status(key, m)
		return
	case schemas.KindError, schemas.KindHandover:
		a.note(kind, m)
		return
	case schemas.KindReaction:
		a.reaction(number, m)
		return
	case schemas.KindMedia:
		key.WAMID = clean(placeholderOf(m))
	case schemas.KindEdit, schemas.KindRevoke:
		if m.OriginalWAMID != "" {
			key.WAMID = clean(m.OriginalWAMID)
		}
	}
	if key.WAMID == "" {
		a.note(kind, m)
		return
	}
	part := Message{MessageKey: key}
	version := Version{Order: ofTime(m.Timestamp, a.digest), EventID: a.e.ID, At: max(m.Timestamp, 0), Type: clean(m.Type), Text: clean(event.Text(m.Original, m.Type)), Original: view(m.Original)}
	switch kind {
	case schemas.KindEdit, schemas.KindRevoke, schemas.KindMedia:
		version.Person = personOf(m)
	}
	switch kind {
	case schemas.KindEdit:
		part.Edit = version
	case schemas.KindRevoke:
		version.Text = ""
		part.Revoke = version
	case schemas.KindMedia:
		version.Order = new(order).flag(rankOf(m) > schemas.RankPlaceholder).number(m.Timestamp).digest(a.digest)
		part.Media = version
	default:
		part.Content = a.content(kind, m, &version)
		if m.Status != "" {
			part.Receipt = receiptOf(m, 0, a.e.ID, a.digest) // the time at which a message of the past was read is unknown
		}
	}
	put(a.rows.Messages, key, part)
}

func (a *adding) content(kind string, m *schemas.Message, v *Version) Content {
	c := Content{
		EventID: a.e.ID, Kind: clean(kind), Type: v.Type, Thread: clean(m.Thread), Group: clean(m.GroupID), Direction: m.Direction,
		From: clean(m.From), To: clean(m.To), At: v.At, SortAt: v.At, Historical: m.Historical, Standby: m.Standby, Text: v.Text, Original: v.Original,
	}
	if m.Contact != nil {
		c.WaID, c.UserID = clean(m.Contact.WaID), clean(m.Contact.UserID)
	}
	if m.Sync != nil {
		c.Window = m.Sync.Window
	}
	if c.At == 0 {
		c.SortAt = a.e.ReceivedAt / 1000
	}
	c.Chat = ChatOf(c.Thread)
	c.Order = new(order).flag(rankOf(m) > schemas.RankPlaceholder).flag(!m.Historical).flag(!m.Standby).window(c.Window).number(m.Timestamp).digest(a.digest)
	return c
}

func (a *adding) status(key MessageKey, m *schemas.Message) {
	receipt := receiptOf(m, max(m.Timestamp, 0), a.e.ID, a.digest)
	receipt.Person = personOf(m)
	if id := idOf(m.Contact); m.GroupID != "" && id != "" {
		participant := ParticipantKey{key, id}
		put(a.rows.Participants, participant, Participant{participant, receipt})
		return
	}
	put(a.rows.Messages, key, Message{MessageKey: key, Receipt: receipt})
}

func (a *adding) reaction(number string, m *schemas.Message) {
	content := event.Member(m.Original, schemas.KindReaction)
	target := clean(event.String(event.Member(content, "message_id")))
	if target == "" {
		a.note(schemas.KindReaction, m)
		return
	}
	key := ReactionKey{MessageKey: MessageKey{number, target}}
	if m.Direction != schemas.DirectionOutbound {
		if key.Sender = idOf(m.Contact); key.Sender == "" {
			key.Sender = clean(m.From)
		}
	}
	put(a.rows.Reactions, key, Reaction{key, Version{
		Order: new(order).number(m.Timestamp).flag(!m.Historical).digest(a.digest), EventID: a.e.ID, At: max(m.Timestamp, 0),
		Type: clean(m.Type), Text: clean(event.String(event.Member(content, "emoji"))), Original: view(m.Original), Person: personOf(m),
	}})
}

// person records the fields of an event about the user on the other side.
func (a *adding) person(number string, m *schemas.Message) {
	c := m.Contact
	id := idOf(c)
	if number == "" || id == "" {
		return
	}
	at := ofTime(m.Timestamp, a.digest)
	if c.ProfileName != "" || c.Username != "" || c.CountryCode != "" {
		key := ContactKey{number, id}
		put(a.rows.Contacts, key, Contact{
			ContactKey: key, Chat: ChatOf(id), Profile: Profile{Order: at, Name: clean(c.ProfileName), Username: clean(c.Username), Country: clean(c.CountryCode)},
		})
	}
	a.link(number, clean(c.WaID), clean(c.UserID), at)
}

// link records that two ids belong to one person.
func (a *adding) link(number, phone, user string, at Order) {
	if phone == "" || user == "" || phone == user {
		return
	}
	for _, pair := range [...][2]string{{phone, user}, {user, phone}} {
		key := ContactKey{number, pair[0]}
		put(a.rows.Contacts, key, Contact{ContactKey: key, Chat: ChatOf(pair[0]), Link: Link{at, pair[1]}})
	}
}

func (a *adding) contact() {
	number, id := splitKey(view(a.e.Key))
	book := Book{Order: ofPlace(a.place), Removed: true, At: a.e.Headers.Contact.TimestampMS}
	h := &a.e.Headers.Contact
	phone, user := clean(h.Phone), clean(h.User)
	if len(a.e.Value) == 0 {
		a.digest = digestOf([]byte(a.e.ID))
	}
	if c := a.e.Contact; c != nil {
		number, id = c.PhoneNumberID, c.ID
		a.known(c.WABAID, clean(number), c.DisplayPhoneNumber)
		book = Book{
			Order: book.Order, FullName: clean(c.FullName), FirstName: clean(c.FirstName), Username: clean(c.Username), Phone: clean(c.PhoneNumber),
			UserID: clean(c.UserID), ParentUserID: clean(c.ParentUserID), At: c.TimestampMS, Original: view(c.Original),
		}
		if c.PhoneNumber != "" && c.UserID != "" {
			phone, user = book.Phone, book.UserID
		}
	}
	key := ContactKey{clean(number), clean(id)}
	if key.ID == "" {
		return // a key that the pipeline does not write
	}
	put(a.rows.Contacts, key, Contact{ContactKey: key, Chat: ChatOf(key.ID), Book: book})
	at := ofTime(book.At/1000, a.digest)
	a.link(key.Number, phone, user, at)
	if linked := clean(h.Linked); linked != "" {
		if phone == "" {
			a.link(key.Number, linked, user, at)
		} else if user == "" {
			a.link(key.Number, phone, linked, at)
		}
	}
}

func (a *adding) sync() {
	s := a.e.Sync
	if s == nil {
		key := SyncKey{Number: clean(view(a.e.Key)), Partition: a.place.Partition}
		put(a.rows.Syncs, key, Sync{SyncKey: key, Order: ofPlace(a.place), Removed: true})
		return
	}
	number := clean(s.PhoneNumberID)
	a.known(s.WABAID, number, s.DisplayPhoneNumber)
	key := SyncKey{number, s.Window, a.place.Partition}
	row := Sync{
		SyncKey: key, Order: ofPlace(a.place), WABA: clean(s.WABAID), State: s.State, EndReason: s.EndReason, Progress: s.Progress,
		Messages: s.Messages, Held: s.ChunksHeld, OpenedAt: s.OpenedAt.Unix(), LastAt: s.LastAt.Unix(), Value: view(a.e.Value),
	}
	row.EndedAt = unixOf(s.EndedAt)
	row.Status, row.OnboardedAt, row.RequestedAt, row.RequestDeadlineAt = clean(s.Status), unixOf(s.OnboardedAt), unixOf(s.RequestedAt), unixOf(s.RequestDeadlineAt)
	if h := s.Request(string(syncrequest.History)); h != nil {
		row.RequestedBy = clean(h.RequestedBy)
	}
	row.ErrorCode, _ = syncstatus.Refusal(s)
	put(a.rows.Syncs, key, row)
}

func unixOf(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

func (a *adding) account(c *schemas.Account) {
	waba, number := clean(c.WABAID), clean(c.PhoneNumberID)
	a.known(waba, number, "")
	told := Told{ofTime(a.e.ReceivedAt, a.digest), clean(c.Event)}
	put(a.rows.Businesses, waba, Business{WABA: waba, Event: told})
	if number != "" {
		put(a.rows.Numbers, number, Number{ID: number, Event: told})
	}
	a.keep(&Note{Kind: told.Text, WABA: waba, Number: number, Display: clean(c.PhoneNumber), At: c.Time, Original: view(c.Original)})
}

func (a *adding) other(o *schemas.Other) {
	a.known(o.WABAID, clean(o.PhoneNumberID), "")
	a.keep(&Note{Kind: clean(o.Field), WABA: clean(o.WABAID), Number: clean(o.PhoneNumberID), Original: view(o.Original)})
}

func (a *adding) note(kind string, m *schemas.Message) {
	a.keep(&Note{
		Kind: clean(kind), WABA: clean(m.WABAID), Number: clean(m.PhoneNumberID), Thread: clean(m.Thread), Person: personOf(m),
		At: max(m.Timestamp, 0), Text: clean(event.Text(m.Original, m.Type)), Original: view(m.Original),
	})
}

// keep adds an event that stays as it is.
func (a *adding) keep(n *Note) {
	n.ID, n.Topic = a.e.ID, a.e.Topic.String()
	n.Order = ofTime(a.e.ReceivedAt, a.digest)
	if n.At == 0 {
		n.At = a.e.ReceivedAt / int64(time.Second/time.Millisecond)
	}
	put(a.rows.Notes, n.ID, *n)
}

// known records the business and the number of an event.
func (a *adding) known(waba, number, display string) {
	waba, display = clean(waba), clean(display)
	at := ofTime(a.e.ReceivedAt, a.digest)
	if waba != "" {
		put(a.rows.Businesses, waba, Business{WABA: waba})
	}
	if number == "" {
		return
	}
	row := Number{ID: number}
	if waba != "" {
		row.WABA = Told{at, waba}
	}
	if display != "" {
		row.Display = Told{at, display}
	}
	put(a.rows.Numbers, number, row)
}

// kindOf returns an event's kind: older records have none.
func kindOf(ceType string, m *schemas.Message) string {
	switch {
	case ceType == schemas.TypeStatus:
		return schemas.KindStatus
	case ceType == schemas.TypeError:
		return schemas.KindError
	case ceType == schemas.TypeHandover:
		return schemas.KindHandover
	case ceType == schemas.TypeMedia:
		return schemas.KindMedia
	case m.Kind != "":
		return m.Kind
	case m.Type == schemas.KindReaction || m.Type == schemas.KindEdit || m.Type == schemas.KindRevoke || m.Type == schemas.KindSystem:
		return m.Type
	case rankOf(m) == schemas.RankPlaceholder:
		return schemas.KindPlaceholder
	}
	return schemas.KindMessage
}

func rankOf(m *schemas.Message) schemas.Rank {
	if m.Rank != nil {
		return *m.Rank
	}
	return schemas.RankOf(bytesOf(m.Type), false, true)
}

// splitKey splits the key of a record of contacts.
func splitKey(key string) (number, id string) {
	for i := range len(key) {
		if key[i] == '/' {
			return key[:i], key[i+1:]
		}
	}
	return key, ""
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf views s as bytes, which must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
