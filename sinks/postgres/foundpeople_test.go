package postgres_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/postgres"
)

// human has each way in which webhooks name a person.
type human struct {
	phones []string // in all spellings
	user   string
}

func (h *human) ids() []string {
	if h.user == "" {
		return h.phones
	}
	return append([]string{h.user}, h.phones...)
}

var humans = []human{{[]string{"491701"}, "DE.1"}, {[]string{"5511987654321", "551187654321"}, "BR.2"}, {[]string{"491703"}, ""}, {[]string{"5215512345678", "525512345678"}, ""}}

// village makes events about people in chats and in a group, in all kinds. Most messages never come: only what others did with them.
type village struct {
	*rand.Rand
	n      int
	events []event.Event
	unread []*kgo.Record // records of messages that are no events
}

func pick[T any](v *village, from ...T) T { return from[v.IntN(len(from))] }

const received = 1_772_366_400_000

func (v *village) add(topic schemas.Topic, e event.Event) {
	e.Topic, e.ID, e.ReceivedAt = topic, "id"+strconv.Itoa(v.n), received
	e.Value = []byte(e.ID) // its digest alone is used
	v.events = append(v.events, e)
}

// message is an event about a person.
func (v *village) message(number string, h *human) {
	v.n++
	spelt := pick(v, h.phones...)
	m := &schemas.Message{WABAID: "1", PhoneNumberID: number, Direction: pick(v, "inbound", "outbound"), Timestamp: int64(10 + v.IntN(20)), Type: "text", Original: json.RawMessage(`{}`)}
	rank := schemas.RankConcrete
	group := v.IntN(3) == 0
	author := slot(h)
	switch {
	case group:
		m.GroupID, m.Thread = "g@g.us", "g@g.us"
	case v.IntN(8) > 0:
		m.Thread = pick(v, h.ids()...)
	}
	m.WAMID = fmt.Sprintf("%s.%d.%v.%d", number, author, group, v.IntN(12))
	if m.Thread == "" {
		m.WAMID = wamidOf(spelt, fmt.Sprintf("3EB0%016X", v.IntN(12)))
	}
	if c := (&schemas.Contact{WaID: pick(v, spelt, ""), UserID: pick(v, h.user, "")}); *c != (schemas.Contact{}) && m.Thread != "" {
		m.Contact = c
		c.ProfileName = pick(v, "", "name")
	}
	topic, ceType := schemas.TopicMessages, schemas.TypeMessage
	switch kind := v.IntN(10); kind {
	case 0, 1:
		m.Kind = schemas.KindMessage
	case 2:
		m.Kind, rank = schemas.KindPlaceholder, schemas.RankPlaceholder
	case 3, 4:
		m.Kind, m.Type, rank = schemas.KindEdit, "edit", schemas.RankEdit
		m.OriginalWAMID, m.WAMID = m.WAMID, "e"+strconv.Itoa(v.n)
	case 5:
		m.Kind, m.Type, rank = schemas.KindRevoke, "revoke", schemas.RankRevoke
	case 6:
		m.Kind, m.Type = schemas.KindReaction, "reaction"
		m.Original = json.RawMessage(fmt.Sprintf(`{"reaction":{"message_id":%q,"emoji":"x"}}`, pick(v, m.WAMID, m.WAMID, "")))
		m.WAMID = "r" + strconv.Itoa(v.n)
	case 7:
		m.Kind, m.Direction, ceType, m.Status = schemas.KindStatus, "outbound", schemas.TypeStatus, pick(v, "sent", "read", "failed")
	case 8:
		topic, ceType, m.Kind, m.Type = schemas.TopicMedia, schemas.TypeMedia, schemas.KindMedia, "image"
	case 9:
		ceType, m.Kind, m.WAMID = schemas.TypeError, schemas.KindError, ""
	}
	if group && m.Direction == "inbound" {
		m.From = spelt
		if m.Contact == nil && ceType == schemas.TypeMessage && v.IntN(2) == 0 {
			m.Contact = &schemas.Contact{WaID: spelt}
		}
	}
	if group && m.Direction == "outbound" && m.Kind != schemas.KindStatus {
		m.Contact = nil // for all of the group
		if m.OriginalWAMID != "" {
			m.OriginalWAMID = "of the business " + m.OriginalWAMID
		} else if m.WAMID != "" {
			m.WAMID = "of the business " + m.WAMID
		}
	}
	m.Rank = &rank
	v.add(topic, event.Event{Headers: event.Headers{Type: ceType}, Message: m})
}

func slot(h *human) (i int) {
	for i = range humans {
		if &humans[i] == h {
			return i
		}
	}
	panic("not one of them")
}

func newVillage(rng *rand.Rand, events int) *village {
	v := &village{Rand: rng}
	for _, number := range []string{"n", "other"} {
		for i := range humans {
			if h := &humans[i]; h.user != "" { // the first event names both ids
				v.n++
				v.add(schemas.TopicMessages, event.Event{Headers: event.Headers{Type: schemas.TypeError}, Message: &schemas.Message{
					WABAID: "1", PhoneNumberID: number, Kind: schemas.KindError, Thread: h.user, Contact: &schemas.Contact{WaID: h.phones[0], UserID: h.user}, Timestamp: 5,
				}})
			}
		}
	}
	for range events {
		number, h := pick(v, "n", "n", "other"), &humans[v.IntN(len(humans))]
		switch v.IntN(12) {
		case 0:
			id := pick(v, h.phones...)
			v.n++
			v.add(schemas.TopicContacts, event.Event{
				Headers: event.Headers{Type: schemas.TypeContact}, Key: []byte(number + "/" + id),
				Contact: &schemas.ContactState{WABAID: "1", PhoneNumberID: number, ID: id, FullName: "entry", PhoneNumber: id, UserID: pick(v, h.user, ""), TimestampMS: 9000, Original: json.RawMessage(`{}`)},
			})
		case 1:
			v.unread = append(v.unread, &kgo.Record{Offset: int64(len(v.unread)), Key: []byte(number + "/" + pick(v, h.ids()...)), Value: []byte("{"), Timestamp: time.Now(), Headers: []kgo.RecordHeader{
				{Key: schemas.HeaderReceivedAt, Value: []byte(strconv.Itoa(received))},
			}})
		default:
			v.message(number, h)
		}
	}
	return v
}

// fill applies the events as a sink does that knows of the erasures of the store.
func (v *village) fill(t *testing.T, st *postgres.Store) {
	t.Helper()
	if _, err := st.Positions(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	all := st.Erasures()
	b := &sinks.Batch{Live: true, Rows: merge.NewRows(), Erasures: all.Version, Advances: []sinks.Advance{{Topic: schemas.TopicMessages, From: -1, To: sinks.Position{Next: 1, At: time.Unix(1, 0)}}}}
	for i := range v.events {
		if !all.Cover(&v.events[i]) {
			b.Rows.Add(&v.events[i], merge.Place{Offset: int64(i)})
		}
	}
	for _, r := range v.unread {
		if !all.CoverUnread(schemas.TopicMessages, r) {
			b.Letters = append(b.Letters, sinks.Letter{Topic: schemas.TopicMessages, Place: merge.Place{Offset: r.Offset}, Key: r.Key, Value: r.Value, At: time.Unix(1, 0), Headers: []sinks.Header{sinks.Header(r.Headers[0])}})
		}
	}
	if err := st.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// An erasure removes each row that a sink would not write any more. So a rebuild after it removes and changes nothing. It can add what others did with
// messages of the person in groups.
func TestARebuildAfterAnErasureFindsNothingOfThePerson(t *testing.T) {
	t.Parallel()
	rng := seed.Rand(t)
	for range 2 {
		v := newVillage(rng, 30+rng.IntN(200))
		url := migrated(t)
		v.fill(t, opened(t, url))
		h := &humans[v.IntN(len(humans))]
		p := postgres.Person{ID: pick(v, h.ids()...), Number: pick(v, "", "n")}
		done, err := postgres.Erase(t.Context(), url, schema, p, false)
		if err != nil {
			t.Fatal(err)
		}
		shadow, err := postgres.OpenShadow(t.Context(), url, schema)
		if err != nil {
			t.Fatal(err)
		}
		cfg := configOf(url)
		cfg.Schema = shadow.Name()
		st, err := postgres.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		v.fill(t, st)
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		before := contentOf(t, url).Lines()
		all, err := shadow.Replace(t.Context(), finished)
		if err != nil {
			t.Fatal(err)
		}
		if err := shadow.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			added := c.Added
			switch c.Table {
			case "numbers", "businesses", "positions":
				continue
			case "versions", "receipts", "reactions":
				added = 0
			}
			if c.Removed > 0 || c.Updated > 0 || added > 0 {
				t.Errorf("an erasure of %+v, which removed %+v, left in %+v", p, done.Removed, c)
			}
		}
		if t.Failed() {
			after := "\n" + strings.Join(contentOf(t, url).Lines(), "\n") + "\n"
			for _, line := range before {
				if !strings.Contains(after, "\n"+line+"\n") {
					t.Log(line)
				}
			}
			return
		}
	}
}
